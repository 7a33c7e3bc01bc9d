import type * as d from '@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type * as heatmap from '@grafana/schema/dist/types/raw/composable/heatmap/panelcfg/x/types.gen';
import type * as stat from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as table from '@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type * as timeseries from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';
import type * as timeline from '@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen';

type Custom<T> = Omit<d.FieldConfigSource, 'defaults'> & { defaults: Omit<d.FieldConfig, 'custom'> & { custom?: T } };
type PanelOf<Type extends string, Options, FieldConfig> =
  Omit<d.Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
    type: Type; options: Partial<Options>; fieldConfig: Custom<Partial<FieldConfig>>; targets: Array<InfluxQuery> };
/** The InfluxDB data source's query; @grafana/schema has none. */
interface InfluxQuery {
  refId: string; query: string; rawQuery: true; resultFormat: 'time_series' | 'table'; alias?: string;
  datasource: d.DataSourceRef;
}
type Panel = PanelOf<'heatmap', heatmap.Options, heatmap.FieldConfig>
  | PanelOf<'stat', stat.Options, {}>
  | PanelOf<'table', table.Options, table.FieldConfig>
  | PanelOf<'timeseries', timeseries.Options, timeseries.FieldConfig>
  | PanelOf<'state-timeline', timeline.Options, timeline.FieldConfig>;
interface AnnotationTarget {
  refId: string; query: string; rawQuery: true; fromAnnotations: true; textColumn: string; tagsColumn: string; name: string;
}
type Annotation = Omit<d.AnnotationQuery, 'target'> & { target: AnnotationTarget };
export type CamshaftDashboard = Omit<d.Dashboard, 'panels' | 'annotations'> & {
  panels: Array<Panel>; annotations: { list: Array<Annotation> } };
