//! Naming the class of unseen images.
