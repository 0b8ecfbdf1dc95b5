{{/* Labels of everything. */}}
{{- define "shardplane.labels" -}}
app.kubernetes.io/name: shardplane
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Labels that pods of a component are known by: (list CONTEXT COMPONENT). */}}
{{- define "shardplane.selector" -}}
app.kubernetes.io/name: shardplane
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* An image by repository, tag and digest; whoever has a digest needs no tag. */}}
{{- define "shardplane.image" -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default (index . 0).Chart.AppVersion $image.tag }}
{{- end -}}
{{- end }}

{{/* Of the agents' own image only what is given; the rest is as for all. */}}
{{- define "shardplane.agentImage" -}}
{{- if .Values.agent.image.repository -}}
{{ include "shardplane.image" (list . .Values.agent.image) }}
{{- else -}}
{{ include "shardplane.image" (list . .Values.image) }}
{{- end -}}
{{- end }}

{{/* What every pod of ours that needs no machine says of itself: Pod Security `restricted`. */}}
{{- define "shardplane.nobody" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- define "shardplane.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/*
A file of manifests/, which is the one place where accounts, roles and admission are written, with this release's
namespace and labels. (list CONTEXT FILE)
*/}}
{{- define "shardplane.manifest" -}}
{{- $context := index . 0 -}}
{{- $text := $context.Files.Get (printf "manifests/%s" (index . 1)) | replace "shardplane-system" $context.Release.Namespace -}}
{{- range $document := regexSplit "(?m)^---$" $text -1 }}
{{- $object := fromYaml $document }}
{{- if and $object.kind (ne $object.kind "Namespace") }}
{{- $labels := merge (fromYaml (include "shardplane.labels" $context)) (default dict $object.metadata.labels) }}
{{- $_ := set $object.metadata "labels" $labels }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}
