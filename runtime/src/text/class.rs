//! Which of transformers' classes reads a tokenizer: some take a file's words and merges only, and make the rest
//! themselves, so that what `tokenizer.json` says of normalising, splitting and decoding is not what a model was given.

use serde_json::{Map, Value};

use crate::model::Architecture;

/// Who decides how text is cut and put together again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenizerClass {
    /// `tokenizer.json`, as it is written.
    AsWritten,
    /// `LlamaTokenizer`: pieces with a mark for blanks, bytes for what no piece has, nothing normalised.
    Llama,
    /// `Qwen2Tokenizer`: bytes, split as Qwen2 splits, composed characters.
    Qwen2,
    /// `GPT2Tokenizer`: bytes, split as GPT-2 splits.
    Gpt2,
    /// `GPTNeoXTokenizer`: as GPT-2, of composed characters.
    GptNeoX,
}

/// A class that makes a tokenizer in a way that is not implemented here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unimplemented(pub(super) String);

/// Classes of transformers 5 that make more of a file than it says, or read other files, and are not implemented.
/// `tests/numerics/tokenizer_classes.py` lists them.
const OTHERS: &[&str] = &[
    "AlbertTokenizer",
    "BartTokenizer",
    "BarthezTokenizer",
    "BartphoTokenizer",
    "BertGenerationTokenizer",
    "BertJapaneseTokenizer",
    "BertTokenizer",
    "BertTokenizerLegacy",
    "BertweetTokenizer",
    "BigBirdTokenizer",
    "BioGptTokenizer",
    "BlenderbotSmallTokenizer",
    "BlenderbotTokenizer",
    "ByT5Tokenizer",
    "CLIPTokenizer",
    "CTRLTokenizer",
    "CamembertTokenizer",
    "CanineTokenizer",
    "ClvpTokenizer",
    "CodeGenTokenizer",
    "CodeLlamaTokenizer",
    "CohereTokenizer",
    "CpmAntTokenizer",
    "CpmTokenizer",
    "DPRContextEncoderTokenizer",
    "DPRQuestionEncoderTokenizer",
    "DPRReaderTokenizer",
    "DebertaTokenizer",
    "DebertaV2Tokenizer",
    "DiaTokenizer",
    "DistilBertTokenizer",
    "EsmTokenizer",
    "EsmcTokenizer",
    "FSMTTokenizer",
    "FastSpeech2ConformerTokenizer",
    "FlaubertTokenizer",
    "FunnelTokenizer",
    "GPTNeoXJapaneseTokenizer",
    "GPTSw3Tokenizer",
    "GemmaTokenizer",
    "HerbertTokenizer",
    "LEDTokenizer",
    "LasrTokenizer",
    "LayoutLMv2Tokenizer",
    "LayoutLMv3Tokenizer",
    "LayoutXLMTokenizer",
    "LukeTokenizer",
    "LxmertTokenizer",
    "M2M100Tokenizer",
    "MBart50Tokenizer",
    "MBartTokenizer",
    "MLukeTokenizer",
    "MPNetTokenizer",
    "MarianTokenizer",
    "MarkupLMTokenizer",
    "MgpstrTokenizer",
    "MobileBertTokenizer",
    "MvpTokenizer",
    "MyT5Tokenizer",
    "NllbTokenizer",
    "NougatTokenizer",
    "OpenAIGPTTokenizer",
    "PLBartTokenizer",
    "PegasusTokenizer",
    "PerceiverTokenizer",
    "PhobertTokenizer",
    "ProphetNetTokenizer",
    "Qwen3_5Tokenizer",
    "ReformerTokenizer",
    "RemBertTokenizer",
    "RoCBertTokenizer",
    "RoFormerTokenizer",
    "RobertaTokenizer",
    "SeamlessM4TTokenizer",
    "Siglip2Tokenizer",
    "SiglipTokenizer",
    "Speech2TextTokenizer",
    "SpeechT5Tokenizer",
    "SplinterTokenizer",
    "SqueezeBertTokenizer",
    "T5Tokenizer",
    "TapasTokenizer",
    "Tipsv2Tokenizer",
    "UdopTokenizer",
    "VideoPrismTokenizer",
    "VitsTokenizer",
    "Wav2Vec2CTCTokenizer",
    "Wav2Vec2PhonemeCTCTokenizer",
    "WhisperTokenizer",
    "XGLMTokenizer",
    "XLMRobertaTokenizer",
    "XLMTokenizer",
    "XLNetTokenizer",
];

impl TokenizerClass {
    /// The class that transformers 5 takes for a model of this family whose files name that one, or none. `bytes` says
    /// that `tokenizer.json` works on bytes: a `LlamaTokenizer` that does is a mistake which transformers knows.
    pub(super) fn of(
        family: Architecture,
        named: Option<&str>,
        bytes: bool,
    ) -> Result<Self, Unimplemented> {
        match (family, named) {
            (Architecture::Mistral, _) | (Architecture::Llama, None) => Ok(Self::AsWritten),
            (Architecture::Qwen2, _) | (Architecture::Qwen3, None) => Ok(Self::Qwen2),
            (Architecture::Llama | Architecture::Qwen3, Some(name)) => {
                match name.strip_suffix("Fast").unwrap_or(name) {
                    "LlamaTokenizer" if bytes => Ok(Self::AsWritten),
                    "LlamaTokenizer" => Ok(Self::Llama),
                    "Qwen2Tokenizer" => Ok(Self::Qwen2),
                    "GPT2Tokenizer" => Ok(Self::Gpt2),
                    "GPTNeoXTokenizer" => Ok(Self::GptNeoX),
                    other if OTHERS.contains(&other) => Err(Unimplemented(name.to_owned())),
                    _ => Ok(Self::AsWritten),
                }
            }
        }
    }

    /// Its name; none where the file alone decides.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::AsWritten => None,
            Self::Llama => Some("LlamaTokenizer"),
            Self::Qwen2 => Some("Qwen2Tokenizer"),
            Self::Gpt2 => Some("GPT2Tokenizer"),
            Self::GptNeoX => Some("GPTNeoXTokenizer"),
        }
    }

    /// Special tokens that the class has where the files say nothing of them.
    pub(super) fn assumed(self) -> &'static [(&'static str, &'static str)] {
        const END: &str = "<|endoftext|>";
        match self {
            Self::AsWritten => &[],
            Self::Llama => &[
                ("bos_token", "<s>"),
                ("eos_token", "</s>"),
                ("unk_token", "<unk>"),
            ],
            Self::Qwen2 => &[("eos_token", END), ("unk_token", END), ("pad_token", END)],
            Self::Gpt2 => &[("bos_token", END), ("eos_token", END), ("unk_token", END)],
            Self::GptNeoX => &[
                ("bos_token", END),
                ("eos_token", END),
                ("unk_token", END),
                ("pad_token", "<|padding|>"),
            ],
        }
    }
}

/// The class that the files name: the tokenizer's own configuration, else the model's.
pub(super) fn named<'a>(
    tokenizer: &'a Map<String, Value>,
    model: &'a Map<String, Value>,
) -> Option<&'a str> {
    [tokenizer, model]
        .into_iter()
        .filter_map(|config| config.get("tokenizer_class")?.as_str())
        .find(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
