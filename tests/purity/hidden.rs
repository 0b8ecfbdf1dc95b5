//! Ways out of a pure crate that no lint sees, each on a line that ends in `LEAK` and what is found there. They compile in `crd`.
#![allow(deprecated, reason = "planted: what is deprecated is a way out too")] // LEAK #[allow]
#![allow(clippy::all, unsafe_code, unused, reason = "planted")] // LEAK #[allow]

// Other names for folders of the standard library.
use std as s; // LEAK std
use std::{self as t}; // LEAK std
use ::{std as u}; // LEAK std
use std::thread as v; // LEAK std::thread
use std::{fmt::{self as w, Write as _}, panic::{self, Location}}; // LEAK std::fmt; LEAK std::panic; LEAK std::panic::Location
use core::any::type_name_of_val as named; // LEAK core::any::type_name_of_val
use std::fmt::*; // LEAK std::fmt::*
use std::fmt;
extern crate alloc as heap; // LEAK extern; LEAK alloc
extern crate std as r#fs; // LEAK extern; LEAK std
pub(crate) use std::primitive; // LEAK std::primitive
use serde_json as json_of; // LEAK serde_json
use k8s_openapi as api; // LEAK k8s_openapi
use k8s_openapi::{jiff::tz::TimeZone, *}; // LEAK k8s_openapi::jiff::tz::TimeZone; LEAK k8s_openapi::*

pub(crate) fn waits() {
    s::thread::sleep_ms(1);
    t::thread::park_timeout_ms(1);
    std::thread::sleep_ms(1); // LEAK std::thread::sleep_ms
    r#std::r#thread::park_timeout_ms(1); // LEAK std::thread::park_timeout_ms
    return ::std::thread::sleep_ms(1); // LEAK std::thread::sleep_ms
    ::std::hint::spin_loop(); // LEAK std::hint::spin_loop
}

// What makes a reader lose its way: each is followed by a leak on its line.
pub(crate) fn is_hidden_behind() {
    /* a quote " */ let _ = std::thread::sleep_ms; /* " */ // LEAK std::thread::sleep_ms
    /* outer /* inner " */ still ' */ let _ = std::thread::sleep_ms; /* " */ // LEAK std::thread::sleep_ms
    let _ = r#"a " and // "#; let _ = std::thread::sleep_ms; let _ = r##" "# "##; // LEAK std::thread::sleep_ms
    let _ = '"'; let _ = std::thread::sleep_ms; let _ = '"'; // LEAK std::thread::sleep_ms
    let _ = '\''; let _ = std::thread::sleep_ms; let _ = '\u{22}'; // LEAK std::thread::sleep_ms
    let _ = b'"'; let _ = std::thread::sleep_ms; let _ = b'\''; // LEAK std::thread::sleep_ms
    let _ = b"\" // "; let _ = std::thread::sleep_ms; let _ = br#"""#; // LEAK std::thread::sleep_ms
    let _ = c"\" // "; let _ = std::thread::sleep_ms; let _ = cr#"""#; // LEAK std::thread::sleep_ms
    let _ = "\\"; let _ = std::thread::sleep_ms; let _ = "\\"; // LEAK std::thread::sleep_ms
    let _ = |at: &'static str| at; let _ = std::thread::sleep_ms; // LEAK std::thread::sleep_ms
    let _ = "//"; let _ = std /* of */ :: /* the */ thread :: sleep_ms; // LEAK std::thread::sleep_ms
    fn f<'a>(at: &'a str) -> &'a str { let _ = std::thread::sleep_ms; at } // LEAK std::thread::sleep_ms
}

// Files, and what the compiler knows of the place where it runs.
#[path = "../../tests/purity/elsewhere.rs"] // LEAK #[path]
mod elsewhere;
#[cfg_attr(all(), path = "../../tests/purity/elsewhere.rs")] // LEAK #[cfg_attr]
mod elsewhere_too;
#[doc = include_str!("../../Cargo.toml")] // LEAK include_str!
pub(crate) fn files() {
    let _ = include_str!("../../Cargo.toml"); // LEAK include_str!
    let _ = include_bytes!("../../Cargo.toml"); // LEAK include_bytes!
    let _ = std::include_str!("../../Cargo.toml"); // LEAK std::include_str
    let _ = include!("../../tests/purity/number"); // LEAK include!
    let _ = env!("PATH"); // LEAK env!
    let _ = option_env!("HOME"); // LEAK option_env!
    let _ = file!(); // LEAK file!
    let _ = (line!(), column!(), module_path!()); // LEAK line!; LEAK column!; LEAK module_path!
    let _ = cfg!(debug_assertions); // LEAK cfg!
    debug_assert!(true); // LEAK debug_assert!
    #[cfg(target_os = "linux")] // LEAK cfg
    let _ = 1;
    #[cfg(not(test))] // LEAK cfg
    let _ = 1;
}

// What the machine is like, and where values lie in it.
pub(crate) fn addresses(text: &str, value: &std::sync::Arc<u8>) { // LEAK std::sync::Arc
    let _ = is_x86_feature_detected!("avx2"); // LEAK is_x86_feature_detected!
    let _ = std::arch::is_x86_feature_detected!("avx2"); // LEAK std::arch::is_x86_feature_detected
    let _ = format!("{text:p}"); // LEAK {:p}
    let _ = format!("{:\x70}", text); // LEAK {:p}
    let _ = format!(r"{:>#20p}", text); // LEAK {:p}
    let _ = <&u8 as fmt::Pointer>::fmt; // LEAK fmt::Pointer
    let _ = <&u8 as w::Pointer>::fmt;
    let _ = text as *const str as *const u8 as usize; // LEAK *const
    let _ = &raw const text; // LEAK &raw
    let _ = text.as_ptr().addr(); // LEAK as_ptr
    let _ = <[u8]>::as_ptr_range(&[]); // LEAK as_ptr_range
    let _ = str::as_ptr; // LEAK as_ptr
    let _ = std::ptr::from_ref(text).expose_provenance(); // LEAK std::ptr::from_ref; LEAK expose_provenance
    let _ = core::ptr::addr_of!(text); // LEAK core::ptr::addr_of
    let _ = Box::into_raw(Box::new(1)); // LEAK into_raw
    let called: fn() = files; // LEAK fn pointer
    let _ = format!("{called:?}");
    let _ = std::sync::Arc::strong_count(value); // LEAK std::sync::Arc::strong_count
    let _ = Vec::<u8>::new().try_reserve(1 << 40); // LEAK try_reserve
    let _ = 1_u32.to_ne_bytes(); // LEAK to_ne_bytes
    let _ = std::any::TypeId::of::<u8>(); // LEAK std::any::TypeId::of
    let _ = std::env::consts::ARCH; // LEAK std::env::consts::ARCH
    let _ = std::backtrace::Backtrace::disabled(); // LEAK std::backtrace::Backtrace::disabled
}

// State that outlives a call.
static FIRST: std::sync::OnceLock<String> = std::sync::OnceLock::new(); // LEAK std::sync::OnceLock; LEAK std::sync::OnceLock::new
static LAZY: std::sync::LazyLock<u8> = std::sync::LazyLock::new(|| 1); // LEAK std::sync::LazyLock; LEAK std::sync::LazyLock::new
static LAST: std::sync::Mutex<u8> = std::sync::Mutex::new(0); // LEAK std::sync::Mutex; LEAK std::sync::Mutex::new
static SEEN: std::sync::RwLock<u8> = std::sync::RwLock::new(0); // LEAK std::sync::RwLock; LEAK std::sync::RwLock::new
static COUNT: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(0); // LEAK core::sync::atomic::AtomicU8
static BEGUN: std::sync::Once = std::sync::Once::new(); // LEAK std::sync::Once; LEAK std::sync::Once::new
static mut EVER: u8 = 0; // LEAK static mut
thread_local!(static HERE: std::cell::Cell<u8> = const { std::cell::Cell::new(0) }); // LEAK thread_local!; LEAK std::cell::Cell

pub(crate) fn remembers(argument: &str) -> &'static str {
    let first = FIRST.get_or_init(|| argument.to_owned());
    let cell = ::core::cell::RefCell::new(1); // LEAK core::cell::RefCell::new
    let _ = (cell, unsafe { EVER }); // LEAK unsafe
    first
}

// What belongs to the whole process.
pub(crate) fn process() {
    panic::set_hook(panic::take_hook()); // the import is caught
    let _ = std::panic::catch_unwind(|| 1); // LEAK std::panic::catch_unwind
    std::panic::set_hook(std::panic::take_hook()); // LEAK std::panic::set_hook; LEAK std::panic::take_hook
    let _ = Location::caller();
    let _ = std::alloc::System; // LEAK std::alloc::System
    let _ = std::task::Waker::noop(); // LEAK std::task::Waker::noop
    let _ = std::os::fd::OwnedFd::try_clone; // LEAK std::os::fd::OwnedFd::try_clone
    unsafe extern "C" { fn getpid() -> i32; } // LEAK unsafe; LEAK extern
    let _ = unsafe { getpid() }; // LEAK unsafe
    #[unsafe(no_mangle)] // LEAK #[unsafe]
    fn planted_symbol() {}
}

// Clocks and time zones of dependencies.
pub(crate) fn clocks() {
    let _ = TimeZone::system();
    let _ = k8s_openapi::jiff::tz::TimeZone::system(); // LEAK k8s_openapi::jiff::tz::TimeZone::system
    let _ = k8s_openapi::jiff::tz::TimeZone::get("UTC"); // LEAK k8s_openapi::jiff::tz::TimeZone::get
    let _ = api::jiff::Timestamp::UNIX_EPOCH.in_tz("Europe/Berlin"); // LEAK UNIX_EPOCH; LEAK in_tz
    let later: k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition = serde_json::from_value(serde_json::Value::Null).expect("planted");
    let _ = later.last_transition_time.0.to_zoned(TimeZone::UTC); // LEAK to_zoned
    let _ = serde_json::from_reader::<_, u8>(&b"1"[..]); // LEAK serde_json::from_reader
    let _ = s::time::Instant::now;
}

// Paths that macros and attributes put together.
macro_rules! in_std {
    ($name:ident) => { std::$name::sleep_ms(1) }; // LEAK std::$::sleep_ms
}
macro_rules! in_root {
    ($root:ident) => { $root::thread::sleep_ms(1) };
}
macro_rules! calls {
    ($name:ident) => { $name!("../../Cargo.toml") }; // LEAK $!
}
macro_rules! json {
    ($meta:meta) => { #[$meta] mod elsewhere_again; }; // LEAK #[$]
}
json!(path = "../../tests/purity/elsewhere.rs");
pub(crate) fn given() {
    let _ = format!(concat!("{:", "p}"), &1); // LEAK concat!
    let _ = format!(stringify!({:p}), &1); // LEAK stringify!
    in_std!(thread); // LEAK in_std!
    in_root!(std); // LEAK in_root!; LEAK std
    let _ = calls!(include_str); // LEAK calls!
    let _ = vec![std::thread::available_parallelism()]; // LEAK std::thread::available_parallelism
    let _ = matches!(std::thread::panicking(), true); // LEAK std::thread::panicking
}
#[derive(serde::Deserialize)]
pub(crate) struct Given {
    #[serde(default = "std::process::id")] // LEAK std::process::id
    by: u32,
    #[serde(default = "::std\u{3a}:process::id")] // LEAK std::process::id
    also: u32,
    #[serde(skip, default = "s::time::Instant::now")]
    at: std::time::Instant, // LEAK std::time::Instant
}
#[derive(Debug, thiserror::Error)]
#[error("{0:p} by {by}", by = std::process::id())] // LEAK {:p}; LEAK std::process::id
pub(crate) struct Failed(&'static str);
