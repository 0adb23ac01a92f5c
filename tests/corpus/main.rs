//! Adapters against recorded traffic: what providers really sent, decoded by two independent implementations.
//!
//! Reads every recording in the folder named by `HOTSPARE_CORPUS`, or else the small subset in `recorded/`. Works with
//! any set in the same format: rules depend on the recordings' contents, exceptions are listed by id.
#![expect(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "tests print a summary")]

mod accepted_fields;
mod answers;
mod conversations;
mod converse;
mod details;
mod deviations;
mod embeddings;
mod errors;
mod fuzz;
mod gemini_requests;
mod gemini_vectors;
mod limits;
mod moves;
mod providers;
mod quoted;
mod rate_limits;
mod reader;
mod recordings;
mod report;
mod requests;
mod shapes;
mod specified;
mod splits;
mod tokens;
mod variants;
