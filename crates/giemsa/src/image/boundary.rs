//! The boundary around decoders of other crates, which may contain bugs: a panic costs one image, not the program.

use super::error::Fault;
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread is decoding an image. A panic at that time becomes an
/// [`ImageError::Panicked`](super::ImageError::Panicked), but the panic hook is called first. A program whose hook does
/// nothing during decoding prints no message for it:
///
/// ```
/// let report = std::panic::take_hook();
/// std::panic::set_hook(Box::new(move |panic| {
///     if !giemsa::image::is_decoding() {
///         report(panic);
///     }
/// }));
/// ```
pub fn is_decoding() -> bool {
    DECODING.get()
}

/// Calls a decoder, and converts a panic to an error.
pub(super) fn catch<T>(decode: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    DECODING.set(true);
    // Whatever the decoder had changed when it panicked is dropped here.
    let result = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(false);
    result.unwrap_or_else(|payload| Err(panicked(payload.as_ref())))
}

/// Returns the error of a panic, with its message in one line.
pub(super) fn panicked(payload: &(dyn Any + Send)) -> Fault {
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    let lines = text.unwrap_or("unknown reason").lines().map(str::trim);
    Fault::Panicked { message: lines.collect::<Vec<_>>().join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn converts_a_panic_of_a_decoder_to_an_error_with_its_message() {
        let rows = std::hint::black_box(3);
        let panics: [(&dyn Fn(), &str); 3] = [
            (&|| panic!("no palette"), "no palette"),
            (&|| assert_eq!(rows, 4), "assertion `left == right` failed left: 3 right: 4"),
            (&|| std::panic::panic_any(5), "unknown reason"),
        ];
        for (decoder, expected) in panics {
            let result = catch::<()>(|| {
                assert!(is_decoding());
                decoder();
                Ok(())
            });
            assert!(!is_decoding());
            let error = result.unwrap_err().at(Path::new("cell.png"));
            assert_eq!(error.to_string(), format!("cell.png: the decoder failed: {expected}"));
            assert_eq!(error.path(), "cell.png");
        }
        assert_eq!(catch(|| Ok(7)).unwrap(), 7);
    }
}
