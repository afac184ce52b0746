//! Connected regions of a mask.

use super::grid::Grid;

/// Numbers the regions of `true` pixels that touch along an edge, from 1 on; 0 is outside. Returns the numbers, and the
/// area of each region in pixels, with that of the outside first.
pub(crate) fn label(mask: &Grid<bool>) -> (Grid<u32>, Vec<usize>) {
    let mut labels: Grid<u32> = Grid::like(mask);
    let mut areas = vec![0];
    let mut stack = Vec::new();
    for start in 0..mask.values.len() {
        if !mask.values[start] || labels.values[start] != 0 {
            continue;
        }
        let number = areas.len() as u32;
        let mut area = 0;
        labels.values[start] = number;
        stack.push(start);
        while let Some(pixel) = stack.pop() {
            area += 1;
            for neighbour in mask.neighbours4(pixel) {
                if mask.values[neighbour] && labels.values[neighbour] == 0 {
                    labels.values[neighbour] = number;
                    stack.push(neighbour);
                }
            }
        }
        areas.push(area);
    }
    areas[0] = mask.values.len() - areas.iter().sum::<usize>();
    (labels, areas)
}

/// Removes regions of fewer than `least` pixels.
pub(crate) fn remove_small(mask: &mut Grid<bool>, least: usize) {
    let (labels, areas) = label(mask);
    for (pixel, &number) in mask.values.iter_mut().zip(&labels.values) {
        *pixel = number != 0 && areas[number as usize] >= least;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_touch_along_edges_and_not_at_corners() {
        let picture = ["##..", "..#.", "..##"];
        let values = picture.concat().chars().map(|c| c == '#').collect();
        let mut mask = Grid { width: 4, height: 3, values };
        let (labels, areas) = label(&mask);
        assert_eq!(areas, [7, 2, 3]);
        assert_eq!((labels.values[0], labels.values[6], labels.values[2]), (1, 2, 0));
        remove_small(&mut mask, 3);
        assert!(!mask.values[0] && mask.values[6]);
    }
}
