//! Real peers: the official Python client in front, and a real model on a real server behind.
//!
//! Each test skips itself with a message where its peer is not set up; CI sets both up.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod bedrock;
mod gateway;
mod messages;
mod official_anthropic;
mod official_client;
mod operating;
mod real_model;
mod recipes;
mod sdk_oracle;
mod stopping;
mod uploads;
