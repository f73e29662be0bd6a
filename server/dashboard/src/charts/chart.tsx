// uPlot in the page's colours: made anew when they change, else only given new data.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { isDark } from "../state/theme.ts";
import { clock } from "../text/format.ts";

export interface ChartSeries {
  label: string;
  /** The name of a colour of tokens.css. */
  colour: string;
  bars?: boolean;
  format: (value: number) => string;
}

interface ChartProps {
  /** Seconds since 1970, then one row for each series. */
  data: uPlot.AlignedData;
  series: readonly ChartSeries[];
  label: string;
  axis: (value: number) => string;
}

const HEIGHT = 150;

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function minute(at: number): string {
  return clock(new Date(1000 * at).toISOString()).slice(0, 5);
}

function options({ series, axis }: ChartProps, width: number): uPlot.Options {
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const line = { stroke: () => colour("dim"), font, ticks: { show: false } };
  const grid = { stroke: () => colour("line"), width: 1 };
  return {
    width,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    legend: { live: true },
    scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
    axes: [
      { ...line, grid: { show: false }, space: 60, values: (_, at) => at.map(minute) },
      { ...line, grid, size: 46, space: 36, values: (_, values) => values.map(axis) },
    ],
    series: [
      { label: "time", value: (_, at) => (at === null ? "–" : minute(at)) },
      ...series.map((one) => ({
        label: one.label,
        stroke: () => colour(one.colour),
        width: one.bars ? 0 : 1.75,
        spanGaps: true,
        points: { show: !one.bars, size: 4 },
        ...(one.bars && uPlot.paths.bars
          ? { paths: uPlot.paths.bars({ size: [0.7, 24] }), fill: () => colour(one.colour) }
          : {}),
        value: (_: uPlot, value: number | null) => (value === null ? "–" : one.format(value)),
      })),
    ],
  };
}

export function Chart(props: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const dark = isDark();
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const made = new uPlot(options(latest.current, element.clientWidth || 300), latest.current.data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [dark]);
  useEffect(() => plot.current?.setData(props.data), [props.data]);
  return <div class="chart" ref={place} role="img" aria-label={props.label} />;
}
