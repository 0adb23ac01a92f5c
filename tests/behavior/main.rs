//! What callers see, through sockets: the shipped client in front of real servers that misbehave.
//!
//! Only order and counts are tested here; timings belong to the benches.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod bad_input;
mod bedrock;
mod bound;
mod broken;
mod by_tool;
mod conformance;
mod defaults;
mod embed;
mod failover;
mod library;
mod limits;
mod models;
mod moves;
mod own;
mod parity;
mod quotas;
mod streams;
