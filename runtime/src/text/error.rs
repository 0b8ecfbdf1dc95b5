//! What can go wrong between text and token ids.

use std::path::PathBuf;

/// Why text could not be read, rendered, encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// A file of the model could not be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The tokenizer is not there.
    #[error(
        "{} is missing; it turns text into tokens: fetch it with the checkpoint, or make it of tokenizer.model with \
         transformers (`AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)`)",
        path.display()
    )]
    NoTokenizer {
        /// The file.
        path: PathBuf,
    },
    /// A file is larger than any that a tokenizer needs.
    #[error("{} has {size} bytes, more than the {limit} that such a file may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The largest size accepted, in bytes.
        limit: u64,
    },
    /// A file is not the JSON object that it should be.
    #[error("{} is not a JSON object; fetch it again", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where the JSON breaks; absent where it is well-formed but not an object.
        source: Option<serde_json::Error>,
    },
    /// The publisher asks for a way of decoding that is not implemented.
    #[error(
        "{} sets `{key}`, which changes the answers and is not implemented; take it out to decode without it",
        path.display()
    )]
    Decoding {
        /// The file.
        path: PathBuf,
        /// Its key.
        key: &'static str,
    },
    /// The files ask for a tokenizer that is made in a way which is not implemented.
    #[error("{} sets `{key}`{detail}", path.display())]
    Tokenizing {
        /// The file.
        path: PathBuf,
        /// Its key.
        key: &'static str,
        /// What that would do, and what to do instead.
        detail: String,
    },
    /// `tokenizer.json` describes nothing that the tokenizers library can build.
    #[error(
        "{} does not describe a tokenizer; fetch it again, or make it with transformers \
         (`AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)`)",
        path.display()
    )]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The library's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tokenizer makes ids for which the model has no row.
    #[error(
        "{} makes token ids up to {id} (`{token}`), and the model's vocabulary has {rows} rows, for ids below that \
         (`vocab_size`): fetch tokenizer and weights of the same model",
        path.display()
    )]
    Rows {
        /// The file.
        path: PathBuf,
        /// The largest id.
        id: u32,
        /// Its token.
        token: String,
        /// Rows of the model's embedding.
        rows: u32,
    },
    /// The text is certain to have more tokens than its budget.
    #[error("the text has more tokens than there is room for")]
    Beyond,
    /// Text could not be encoded.
    #[error("encoding text into tokens")]
    Encode {
        /// The library's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Tokens could not be decoded.
    #[error("decoding {count} tokens into text")]
    Decode {
        /// How many tokens were in the window.
        count: usize,
        /// The library's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The chat template does not parse.
    #[error(
        "the chat template in {} does not compile; fetch the file again, correct the template, or remove it to do \
         without chat",
        path.display()
    )]
    TemplateSyntax {
        /// The file.
        path: PathBuf,
        /// The template engine's reason, with the line.
        source: minijinja::Error,
    },
    /// The file of the chat template is no text.
    #[error("the chat template in {} is not UTF-8; fetch it again, or save it as UTF-8", path.display())]
    TemplateText {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        source: std::str::Utf8Error,
    },
    /// `chat_template` is neither a string nor a list of named strings.
    #[error("chat_template in {} is neither a string nor a list of {{name, template}}; fetch the file again", path.display())]
    TemplateShape {
        /// The file.
        path: PathBuf,
    },
    /// The template itself refused the conversation.
    #[error("the model's chat template refuses this conversation: {message}")]
    Refused {
        /// What the template said through `raise_exception`.
        message: String,
    },
    /// The chat template failed on this conversation.
    #[error(
        "the model's chat template does not render this conversation; use /v1/completions, or correct the template in \
         {}",
        path.file_name().unwrap_or_default().display()
    )]
    Render {
        /// The file that holds the template.
        path: PathBuf,
        /// The template engine's reason, with the line.
        source: minijinja::Error,
    },
}
