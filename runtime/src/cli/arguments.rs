//! The command line's grammar.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::program::Precision;
use crate::ranks::{Connectivity, InstructionSet};

/// Slices, packs and serves Llama-family models over several ranks.
#[derive(Debug, Parser)]
#[command(name = "shardplane-worker", version, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Slice and pack a checkpoint into a program
    Build(Build),
    /// Serve a program over the OpenAI API
    Serve(Serve),
    /// Answer one prompt on standard output
    Generate(Generate),
    /// Say what a checkpoint would need, or what a program is
    Inspect(Inspect),
    /// Say what builds and runs programs here
    Toolchain(Toolchain),
}

#[derive(Debug, Args)]
pub(super) struct Build {
    /// Folder with config.json, safetensors files and tokenizer.json
    #[arg(long, value_name = "DIR")]
    pub(super) checkpoint: PathBuf,
    /// Digest of the model that is meant, as `shardplane plan -o json` shows it; another is refused
    #[arg(long, value_name = "DIGEST")]
    pub(super) model_digest: Option<String>,
    /// Program directory to make
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Ranks to slice for
    #[arg(long, value_name = "N")]
    pub(super) shards: u32,
    /// How weights are stored
    #[arg(long, value_enum, default_value_t = PrecisionName::Bf16)]
    pub(super) precision: PrecisionName,
    /// Key that the program is to be known by
    #[arg(long)]
    pub(super) key: Option<String>,
    #[command(flatten)]
    pub(super) room: Room,
    /// Stop, with nothing left behind, when standard input ends
    #[arg(long)]
    pub(super) supervised: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

/// How many sequences of what length memory must hold.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Room {
    /// Sequences that run at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) slots: u32,
    /// Tokens of one sequence, prompt and answer together [default: the model's own, at most 4096]
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) context: Option<u32>,
}

/// What ranks are started with.
#[derive(Debug, Clone, Args)]
pub(super) struct Running {
    /// Program directory, as `build` made it
    #[arg(long, value_name = "DIR")]
    pub(super) program: PathBuf,
    /// How ranks reach each other
    #[arg(long, value_enum, default_value_t = ConnectivityName::P2p)]
    pub(super) connectivity: ConnectivityName,
    /// Vector instructions to compute with; logits differ in their last bits between two sets
    #[arg(long, value_enum, default_value_t = InstructionSetName::Best)]
    pub(super) instruction_set: InstructionSetName,
    /// Longest time that loading, and each step, may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) rank_deadline: u64,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) running: Running,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = address)]
    pub(super) listen: SocketAddr,
    #[command(flatten)]
    pub(super) room: Room,
    /// Sequences that may wait for a slot
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(0..=65_536))]
    pub(super) queue: u32,
    /// Prompt tokens that one step may take beside the sequences that generate
    #[arg(long, value_name = "TOKENS", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(super) prefill_chunk: u32,
    /// Name that requests give as `model` [default: the program directory's]
    #[arg(long, value_name = "MODEL")]
    pub(super) name: Option<String>,
    /// Longest time that a request may take, its wait for a slot included
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) request_deadline: u64,
    /// Time for which new requests are still taken once the server was told to stop, each the last on its connection
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(super) farewell: u64,
    /// Longest time that requests may go on once the server was told to stop
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(super) drain_deadline: u64,
    /// Drain and exit when standard input ends
    #[arg(long)]
    pub(super) supervised: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    #[command(flatten)]
    pub(super) running: Running,
    /// Text to continue, or the user's message with --chat
    #[arg(long)]
    pub(super) prompt: String,
    /// Put the prompt through the model's chat template
    #[arg(long)]
    pub(super) chat: bool,
    /// System message before the prompt
    #[arg(long, requires = "chat")]
    pub(super) system: Option<String>,
    /// Tokens of prompt and answer together [default: the model's own, at most 4096]
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) context: Option<u32>,
    /// Longest answer [default: 256, less where the context is shorter]
    #[arg(long, value_name = "TOKENS")]
    pub(super) max_tokens: Option<u32>,
    /// 0 takes the likeliest token each time
    #[arg(long, allow_negative_numbers = true, value_parser = finite)]
    pub(super) temperature: Option<f32>,
    /// Only this many of the likeliest tokens
    #[arg(long, allow_negative_numbers = true)]
    pub(super) top_k: Option<i64>,
    /// Only the likeliest tokens that together reach this probability
    #[arg(long, allow_negative_numbers = true, value_parser = finite)]
    pub(super) top_p: Option<f32>,
    /// Only tokens at least this likely relative to the likeliest
    #[arg(long, allow_negative_numbers = true, value_parser = finite)]
    pub(super) min_p: Option<f32>,
    /// Fixes the draws
    #[arg(long, allow_negative_numbers = true)]
    pub(super) seed: Option<i64>,
    /// Text that ends the answer; repeatable
    #[arg(long, value_name = "TEXT")]
    pub(super) stop: Vec<String>,
    /// Makes tokens of prompt and answer less likely
    #[arg(long, allow_negative_numbers = true, value_parser = finite)]
    pub(super) repetition_penalty: Option<f32>,
    /// Makes tokens of the answer less likely
    #[arg(long, allow_negative_numbers = true, value_parser = finite)]
    pub(super) presence_penalty: Option<f32>,
    /// Makes tokens of the answer less likely each time they come
    #[arg(long, allow_negative_numbers = true, value_parser = finite)]
    pub(super) frequency_penalty: Option<f32>,
    /// Go on after the model's end token
    #[arg(long)]
    pub(super) ignore_eos: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// Checkpoint folder or program directory
    #[arg(value_name = "CHECKPOINT|PROGRAM")]
    pub(super) path: PathBuf,
    /// Shard count to reckon for, of a checkpoint
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) shards: u32,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Toolchain {
    #[command(flatten)]
    pub(super) output: Output,
}

/// What is printed.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Output {
    /// For people, or for programs
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Sentences
    Text,
    /// JSON, one value a line
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PrecisionName {
    F32,
    Bf16,
    Int8,
    Int4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ConnectivityName {
    /// Every rank reads every other's memory
    P2p,
    /// Everything is staged through the leader
    ThroughHost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum InstructionSetName {
    /// The fastest that this machine has
    Best,
    Avx512,
    Avx2,
    /// Plain arithmetic, on any machine
    Portable,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::F32 => Self::F32,
            PrecisionName::Bf16 => Self::Bf16,
            PrecisionName::Int8 => Self::Int8,
            PrecisionName::Int4 => Self::Int4,
        }
    }
}

impl From<ConnectivityName> for Connectivity {
    fn from(name: ConnectivityName) -> Self {
        match name {
            ConnectivityName::P2p => Self::P2P,
            ConnectivityName::ThroughHost => Self::ThroughHost,
        }
    }
}

impl From<InstructionSetName> for InstructionSet {
    fn from(name: InstructionSetName) -> Self {
        match name {
            InstructionSetName::Best => Self::Best,
            InstructionSetName::Avx512 => Self::Avx512,
            InstructionSetName::Avx2 => Self::Avx2,
            InstructionSetName::Portable => Self::Portable,
        }
    }
}

/// A number with an end: `nan` and `inf` mean nothing to a sampler, and JSON has no words for them.
fn finite(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) | Err(_) => Err("write a number such as 0.7".to_owned()),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "no socket address: write an IP address and a port below 65536, such as 127.0.0.1:8080 or [::]:8080; names are not looked up".to_owned()
    })
}
