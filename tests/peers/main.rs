//! Real peers: official Python clients in front, and a real model on a real server behind.
//!
//! Each test is skipped with a message if its peer is not installed; CI installs all.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests panic on failure")]

mod bedrock;
mod gateway;
mod handover;
mod messages;
mod official_anthropic;
mod official_client;
mod operating;
mod real_model;
mod recipes;
mod sdk_oracle;
mod stopping;
mod uploads;
