//! The slope of a line through points.

use tofu_test_support::median;

/// The median of the slopes between all pairs of points (Theil and Sen): a few that lie far off
/// change nothing. NaN of less than two.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let slopes = points.iter().enumerate().flat_map(|(index, (x0, y0))| {
        points[index + 1..].iter().map(move |(x1, y1)| (y1 - y0) / (x1 - x0))
    });
    median(&slopes.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_most_points() {
        let mut points: Vec<_> =
            (0..100).map(|x| (f64::from(x), 7.0 + f64::from(x) / 2.0)).collect();
        assert_eq!(slope(&points), 0.5);
        points[3].1 = 1e6;
        points[96].1 = -1e6;
        assert!((slope(&points) - 0.5).abs() < 1e-6);
        assert!(slope(&points[..1]).is_nan());
    }
}
