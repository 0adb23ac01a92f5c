//! A pure circuit breaker and health book: permits, verdicts, sliding windows.
