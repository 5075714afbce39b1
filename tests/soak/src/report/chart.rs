//! The chart: a panel for each kind of figure, over the time.

use crate::Outcome;
use crate::samples::{Run, Sample};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;
use tofu_test_support::median;

const WIDTH: u32 = 1_200;
const PANEL_HEIGHT: u32 = 240;
const FONT: &str = "sans-serif";
const MARGIN: i32 = 20;
const INK: RGBColor = RGBColor(0x33, 0x3a, 0x45);
const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xea);
const BLUE: RGBColor = RGBColor(0x1b, 0x6e, 0xc2);
const GREY: RGBColor = RGBColor(0x8a, 0x93, 0x9e);
const MIB: f64 = (1 << 20) as f64;
/// A line has about so many points, each the median of what was seen meanwhile.
const POINTS: usize = 300;

type Value = fn(&Sample) -> Option<f64>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

struct Panel {
    title: &'static str,
    lines: &'static [(&'static str, RGBColor, Value)],
}

const PANELS: [Panel; 5] = [
    Panel {
        title: "Memory, MiB",
        lines: &[
            ("server", BLUE, |sample| Some(sample.server.rss as f64 / MIB)),
            ("clients", GREY, |sample| Some(sample.own.rss as f64 / MIB)),
        ],
    },
    Panel {
        title: "The server's file descriptors",
        lines: &[("server", BLUE, |sample| Some(sample.server.fds as f64))],
    },
    Panel {
        title: "Round trips, p50, µs",
        lines: &[
            ("calls", BLUE, |sample| Some(sample.calls?.p50)),
            ("plain sockets", GREY, |sample| Some(sample.control?.p50)),
        ],
    },
    Panel {
        title: "Round trips, p99, µs",
        lines: &[
            ("calls", BLUE, |sample| Some(sample.calls?.p99)),
            ("plain sockets", GREY, |sample| Some(sample.control?.p99)),
        ],
    },
    Panel {
        title: "Processor time so far, s",
        lines: &[
            ("server", BLUE, |sample| Some(sample.server.cpu)),
            ("clients", GREY, |sample| Some(sample.own.cpu)),
        ],
    },
];

pub(super) fn write(run: &Run, path: &Path) -> Outcome {
    let height = PANEL_HEIGHT * u32::try_from(PANELS.len())?;
    let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, area) in PANELS.iter().zip(root.split_evenly((PANELS.len(), 1))) {
        draw(panel, &run.samples, &area)?;
    }
    root.present()?;
    Ok(())
}

fn draw(panel: &Panel, samples: &[Sample], area: &Area<'_>) -> Outcome {
    title(panel, area)?;
    let lines = panel.lines.iter().map(|&(_, color, value)| (color, points(samples, value)));
    let lines: Vec<_> = lines.collect();
    let all = || lines.iter().flat_map(|(_, points)| points);
    let right = samples.last().map_or(1.0, |sample| sample.at);
    let top = all().fold(1.0, |most, point| point.1.max(most)) * 1.1;
    let mut chart = ChartBuilder::on(area)
        .margin(MARGIN)
        .margin_top(MARGIN + 24)
        .x_label_area_size(24)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..right, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(text(14))
        .x_label_formatter(&|seconds| format!("{seconds:.0} s"))
        .y_label_formatter(&|value| format!("{}", (value * 10.0).round() / 10.0))
        .y_labels(5)
        .draw()?;
    for (color, points) in lines {
        chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
    }
    Ok(())
}

/// The title, and which line is what.
fn title(panel: &Panel, area: &Area<'_>) -> Outcome {
    let beside = Pos::new(HPos::Left, VPos::Center);
    let bold = TextStyle::from((FONT, 17).into_font().style(FontStyle::Bold)).color(&INK);
    area.draw(&Text::new(panel.title, (MARGIN, MARGIN), bold.pos(beside)))?;
    for (x, (name, color, _)) in (WIDTH as i32 / 2..).step_by(160).zip(panel.lines) {
        let line = [(x, MARGIN), (x + 24, MARGIN)];
        area.draw(&PathElement::new(line, color.stroke_width(3)))?;
        area.draw(&Text::new(*name, (x + 32, MARGIN), text(14).pos(beside)))?;
    }
    Ok(())
}

fn text(size: i32) -> TextStyle<'static> {
    TextStyle::from((FONT, size)).color(&INK)
}

/// Seconds and medians.
fn points(samples: &[Sample], value: Value) -> Vec<(f64, f64)> {
    let chunks = samples.chunks(samples.len().div_ceil(POINTS).max(1));
    let points = chunks.filter_map(|chunk| {
        let values: Vec<_> = chunk.iter().filter_map(value).collect();
        (!values.is_empty()).then(|| (chunk[0].at, median(&values)))
    });
    points.collect()
}
