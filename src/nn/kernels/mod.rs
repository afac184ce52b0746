//! The inner loops, one file an operation.
