//! First weights.
