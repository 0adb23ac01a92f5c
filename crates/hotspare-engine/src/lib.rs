//! The per-request failover machine: pure, clockless, explored exhaustively.
