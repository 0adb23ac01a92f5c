//! Adapters against recorded traffic: what providers really sent, read twice.
//!
//! Reads every recording in the folder that `HOTSPARE_CORPUS` names, or the small subset in `recorded/` without it. Any
//! set of the same format can be read: rules are judged by what recordings say, exceptions are named by their ids.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells what it read"
)]

mod answers;
mod conversations;
mod converse;
mod embeddings;
mod errors;
mod fuzz;
mod gemini_requests;
mod gemini_vectors;
mod limits;
mod providers;
mod reader;
mod recordings;
mod report;
mod requests;
mod splits;
mod tokens;
