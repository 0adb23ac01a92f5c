//! The OpenAI wire and the hosts that speak it, as rows of data.
