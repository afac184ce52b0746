//! Unpacks an archive.

#![no_main]

use giemsa::fetch::{Limits, unpack};
use libfuzzer_sys::fuzz_target;
use std::io::Cursor;
use std::ops::ControlFlow;

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limits = Limits { entries: 50, file_bytes: 1 << 16, total_bytes: 1 << 20, ..Limits::default() };
    let _ = unpack(Cursor::new(data), &folder.path().join("out"), &limits, &mut |_| ControlFlow::Continue(()));
});
