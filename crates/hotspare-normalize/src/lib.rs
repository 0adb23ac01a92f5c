//! What makes an answer complete and well-formed, whichever model gave it.
