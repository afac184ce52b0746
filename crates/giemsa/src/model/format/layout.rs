//! Conversions between the layout of weights here, as in Keras (HWIO, `[inputs][units]`, flattened as HWC), and that of
//! PyTorch and ONNX (OIHW, `[units][inputs]`, flattened as CHW). They move values without changing them.

use crate::nn::Shape;

/// Converts the kernel of a convolution from HWIO to OIHW.
///
/// # Shapes
/// `values`: `[height][width][inputs][outputs]`, whose dimensions are `shape`; returns `[outputs][inputs][height][width]`.
pub(super) fn hwio_to_oihw(values: &[f32], shape: [usize; 4]) -> Vec<f32> {
    permute(values, shape, [3, 2, 0, 1])
}

/// Converts the kernel of a convolution from OIHW to HWIO.
///
/// # Shapes
/// `values`: `[outputs][inputs][height][width]`, whose dimensions are `shape`; returns `[height][width][inputs][outputs]`.
pub(super) fn oihw_to_hwio(values: &[f32], shape: [usize; 4]) -> Vec<f32> {
    permute(values, shape, [2, 3, 1, 0])
}

/// Transposes a matrix.
///
/// # Shapes
/// `values`: `[rows][columns]`; returns `[columns][rows]`.
pub(super) fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    permute(values, [1, 1, rows, columns], [0, 1, 3, 2])
}

/// Reorders the rows of a dense kernel from a flattened HWC image to a flattened CHW image.
///
/// # Shapes
/// `values`: `[height * width * channels][units]`; returns `[channels * height * width][units]`.
pub(super) fn rows_hwc_to_chw(values: &[f32], image: Shape, units: usize) -> Vec<f32> {
    permute(values, [image.height, image.width, image.channels, units], [2, 0, 1, 3])
}

/// Reorders the rows of a dense kernel from a flattened CHW image to a flattened HWC image.
///
/// # Shapes
/// `values`: `[channels * height * width][units]`; returns `[height * width * channels][units]`.
pub(super) fn rows_chw_to_hwc(values: &[f32], image: Shape, units: usize) -> Vec<f32> {
    permute(values, [image.channels, image.height, image.width, units], [1, 2, 0, 3])
}

/// Permutes the axes of an array: axis `i` of the result is axis `axes[i]` of `values`.
fn permute(values: &[f32], shape: [usize; 4], axes: [usize; 4]) -> Vec<f32> {
    let strides = [shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1];
    let [a, b, c, d] = axes.map(|axis| (shape[axis], strides[axis]));
    let mut permuted = Vec::with_capacity(values.len());
    for i in 0..a.0 {
        for j in 0..b.0 {
            for k in 0..c.0 {
                let first = i * a.1 + j * b.1 + k * c.1;
                permuted.extend((0..d.0).map(|l| values[first + l * d.1]));
            }
        }
    }
    permuted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize) -> Vec<f32> {
        (0..n).map(|i| i as f32).collect()
    }

    #[test]
    fn converts_kernels_as_worked_out_by_hand() {
        // Height 1, width 2, 2 inputs, 2 outputs: value = 4 w + 2 i + o.
        let oihw = hwio_to_oihw(&numbers(8), [1, 2, 2, 2]);
        assert_eq!(oihw, [0.0, 4.0, 2.0, 6.0, 1.0, 5.0, 3.0, 7.0]);
        assert_eq!(transpose(&numbers(6), 2, 3), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        // Height 1, width 2, 3 channels, 1 unit: value = 3 w + c.
        let image = Shape { height: 1, width: 2, channels: 3 };
        assert_eq!(rows_hwc_to_chw(&numbers(6), image, 1), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }

    #[test]
    fn every_conversion_and_back_is_the_identity() {
        let values = numbers(2 * 3 * 5 * 7);
        assert_eq!(oihw_to_hwio(&hwio_to_oihw(&values, [2, 3, 5, 7]), [7, 5, 2, 3]), values);
        let image = Shape { height: 2, width: 3, channels: 5 };
        assert_eq!(rows_chw_to_hwc(&rows_hwc_to_chw(&values, image, 7), image, 7), values);
        assert_eq!(transpose(&transpose(&values, 6, 35), 35, 6), values);
    }
}
