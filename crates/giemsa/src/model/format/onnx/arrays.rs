//! The values of constant arrays, checked against their dimensions.

use super::messages::{EXTERNAL, TensorProto, data_type};

/// The most values of an array of dimensions, axes or indices.
const MAX_INTEGERS: usize = 16;

/// Returns the dimensions.
pub(super) fn dims(array: &TensorProto) -> Result<Vec<usize>, String> {
    let dims: Option<_> = array.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    dims.ok_or_else(|| format!("expected dimensions that are not negative, found {:?}", array.dims))
}

/// Returns the number of values, which is not 0: other dimensions of an array without values could be of any size.
pub(super) fn len(array: &TensorProto) -> Result<usize, String> {
    let len = dims(array)?.into_iter().try_fold(1_usize, usize::checked_mul);
    match len {
        Some(0) => Err("expected an array with values".to_owned()),
        Some(len) => Ok(len),
        None => Err(format!("the dimensions {:?} are too large", array.dims)),
    }
}

/// Returns the values of an array of 32-bit floats.
pub(super) fn floats(array: &TensorProto) -> Result<Vec<f32>, String> {
    check(array, &[data_type::FLOAT])?;
    let len = len(array)?;
    match array.raw_data.as_slice() {
        [] => check_len(array.float_data.len(), len).map(|()| array.float_data.clone()),
        raw => {
            let (values, rest) = raw.as_chunks();
            if !rest.is_empty() {
                return Err(format!("expected 32-bit floats, found {} bytes", raw.len()));
            }
            check_len(values.len(), len)?;
            Ok(values.iter().map(|&four| f32::from_le_bytes(four)).collect())
        }
    }
}

/// Returns the value of an array with one 32-bit float.
pub(super) fn float(array: &TensorProto) -> Result<f32, String> {
    match floats(array)?[..] {
        [value] => Ok(value),
        _ => Err(format!("expected one number, found an array of shape {:?}", array.dims)),
    }
}

/// Returns the values of a small array of integers.
pub(super) fn integers(array: &TensorProto) -> Result<Vec<i64>, String> {
    check(array, &[data_type::INT64, data_type::INT32])?;
    let len = len(array)?;
    if len > MAX_INTEGERS {
        return Err(format!("expected at most {MAX_INTEGERS} integers, found {len}"));
    }
    let values: Vec<i64> = match (array.data_type, array.raw_data.as_slice()) {
        (data_type::INT64, []) => array.int64_data.clone(),
        (_, []) => array.int32_data.iter().map(|&value| value.into()).collect(),
        (data_type::INT64, raw) => raw.as_chunks().0.iter().map(|&eight| i64::from_le_bytes(eight)).collect(),
        (_, raw) => raw.as_chunks().0.iter().map(|&four| i32::from_le_bytes(four).into()).collect(),
    };
    check_len(values.len(), len).map(|()| values)
}

/// Checks that the values are in the file.
pub(super) fn check_location(array: &TensorProto) -> Result<(), String> {
    if array.data_location != EXTERNAL {
        return Ok(());
    }
    let found = "expected its values in this file, found a reference to another file";
    Err(format!("{found}; PyTorch writes one file with `external_data=False`"))
}

/// Checks that the values are in the file, and their type.
fn check(array: &TensorProto, types: &[i32]) -> Result<(), String> {
    check_location(array)?;
    if !types.contains(&array.data_type) {
        let expected = if types.contains(&data_type::FLOAT) { "32-bit floats" } else { "integers" };
        return Err(format!("expected an array of {expected}, found the ONNX data type {}", array.data_type));
    }
    Ok(())
}

fn check_len(found: usize, expected: usize) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("expected an array of {expected} values, found {found}")) }
}
