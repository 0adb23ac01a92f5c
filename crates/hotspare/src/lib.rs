//! Multi-provider LLM failover: one request in, an answer out, whichever provider is up.
