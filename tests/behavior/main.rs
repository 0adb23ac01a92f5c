//! What callers see, through sockets: the shipped client in front of real servers that misbehave.
//!
//! Only order and counts are tested here; timings belong to the benches.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests panic on failure")]

mod bad_input;
mod bedrock;
mod bound_requests;
mod by_tool;
mod conformance;
mod custom;
mod defaults;
mod display;
mod driving;
mod echoes;
mod embed;
mod failover;
mod fields;
mod library;
mod limits;
mod malformed;
mod models;
mod parallel_calls;
mod parity;
mod portability;
mod quotas;
mod runtimes;
mod schemas;
mod streams;
