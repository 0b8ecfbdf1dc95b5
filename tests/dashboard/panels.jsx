// Draws a dashboard's panels with Grafana's own components, from answers that `render` has fetched. It is not Grafana:
// options that no panel of ours uses are not read here.
import { createRoot } from 'react-dom/client';
import plotted from 'uplot/dist/uPlot.min.css';
import {
  applyFieldOverrides, createTheme, dateTime, FieldType, getFieldDisplayValues, standardFieldConfigEditorRegistry, ThemeContext,
} from '@grafana/data';
import { BigValue, GlobalStyles, PanelChrome, TimeSeries, VizRepeater } from '@grafana/ui';

const theme = createTheme({ colors: { mode: 'dark' } });
const { dashboard, answers, from, to } = window.drawn;

// What a panel may say of its fields. Grafana has an editor for each; to draw them a name and a place are enough.
const STANDARD = ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'thresholds', 'color', 'mappings'];
const CUSTOM = {
  axisSoftMax: undefined, scaleDistribution: undefined, drawStyle: 'line', fillOpacity: 0, lineInterpolation: 'linear',
  lineWidth: 1, pointSize: 5, showPoints: 'auto', spanNulls: false, stacking: { mode: 'none', group: 'A' },
  thresholdsStyle: { mode: 'off' },
};
const property = (path, isCustom) => ({
  id: isCustom ? `custom.${path}` : path, path, name: path, isCustom, process: (value) => value, shouldApply: () => true,
});
standardFieldConfigEditorRegistry.setInit(() => [
  ...STANDARD.map((path) => property(path, false)), ...Object.keys(CUSTOM).map((path) => property(path, true)),
]);
const DEFAULTS = {
  thresholds: { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }, { value: 80, color: 'red' }] },
};
const COLOURS = { stat: { mode: 'thresholds' }, timeseries: { mode: 'palette-classic' } };

function fields({ type, fieldConfig }) {
  const { defaults, overrides } = structuredClone(fieldConfig);
  // The first threshold's value is null, for JSON has no infinity.
  for (const step of defaults.thresholds?.steps ?? []) step.value ??= -Infinity;
  return { defaults: { color: COLOURS[type], ...DEFAULTS, ...defaults, custom: { ...CUSTOM, ...defaults.custom } }, overrides };
}

/** A series as a panel gets it: null at each step where there is no value, or none that can be drawn. */
function frame({ name, refId, times, series }) {
  const known = new Map(series.values.map(([at, value]) => [at, Number(value)]));
  const values = times.map((at) => (Number.isFinite(known.get(at)) ? known.get(at) : null));
  return {
    refId, length: times.length,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: times.map((at) => at * 1000) },
      { name: 'Value', type: FieldType.number, labels: series.metric, config: { displayNameFromDS: name }, values },
    ],
  };
}

function Stat({ panel, data, width, height }) {
  const { reduceOptions, colorMode, graphMode = 'area', textMode = 'auto', orientation = 'auto' } = panel.options;
  const fieldConfig = fields(panel);
  const values = () => getFieldDisplayValues({
    data, fieldConfig, reduceOptions, theme, sparkline: graphMode !== 'none', replaceVariables: (text) => text, timeZone: 'utc',
  });
  const one = ({ value: { display, sparkline }, width, height, count }) => (
    <BigValue {...{ width, height, count, colorMode, graphMode, textMode, theme, sparkline }} value={display} />
  );
  return <VizRepeater {...{ width, height, orientation }} getValues={values} renderValue={one} source={data} autoGrid />;
}

function Lines({ panel, data, width, height }) {
  const { fieldConfig, options } = panel;
  const nothing = fieldConfig.defaults.noValue ?? 'No data';
  if (data.length === 0) return <p style={{ display: 'grid', placeItems: 'center', width, height }}>{nothing}</p>;
  const range = { from: dateTime(from * 1000), to: dateTime(to * 1000) };
  const legend = { showLegend: true, calcs: [], ...options.legend };
  const timeRange = { ...range, raw: range };
  return <TimeSeries frames={data} {...{ width, height, legend, options, timeRange }} timeZone="utc" />;
}

const KINDS = { stat: Stat, timeseries: Lines };

/** Where a panel stands: 24 columns over the width, rows of 30 pixels, 8 between any two. */
function place({ x, y, w, h }) {
  const column = (document.documentElement.clientWidth - 8) / 24;
  return { left: 8 + x * column, top: 8 + y * 38, width: w * column - 8, height: h * 38 - 8 };
}

function Panel({ panel }) {
  const at = place(panel.gridPos);
  const style = { position: 'absolute', ...at };
  if (panel.type === 'row') return <h4 style={style}>▾ {panel.title}</h4>;
  const Kind = KINDS[panel.type];
  if (!Kind) throw new Error(`panel ${panel.title}: nothing here draws a ${panel.type}`);
  const data = applyFieldOverrides({
    data: answers.filter((answer) => answer.panel === panel.id).map(frame),
    fieldConfig: fields(panel), replaceVariables: (text) => text, theme, timeZone: 'utc',
  });
  return (
    <div style={style}>
      <PanelChrome title={panel.title} description={panel.description} width={at.width} height={at.height}>
        {(width, height) => <Kind {...{ panel, data, width, height }} />}
      </PanelChrome>
    </div>
  );
}

createRoot(document.getElementById('page')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <style>{plotted}</style>
    {dashboard.panels.map((panel) => <Panel key={panel.id} panel={panel} />)}
  </ThemeContext.Provider>,
);
