{{/* Labels of everything. */}}
{{- define "shardplane.labels" -}}
app.kubernetes.io/name: shardplane
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{/* Those with somebody's own beside them, of which the schema allows none of their keys: (list CONTEXT LABELS). */}}
{{- define "shardplane.labelsWith" -}}
{{- merge dict (default dict (index . 1)) (fromYaml (include "shardplane.labels" (index . 0))) | toJson }}
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

{{/* The agents' own image: another tag or digest alone is one of the repository that all have. */}}
{{- define "shardplane.agentImage" -}}
{{- $own := .Values.agent.image -}}
{{- if or $own.repository $own.tag $own.digest -}}
{{ include "shardplane.image" (list . (merge (dict "repository" (default .Values.image.repository $own.repository)) $own)) }}
{{- else -}}
{{ include "shardplane.image" (list . .Values.image) }}
{{- end -}}
{{- end }}

{{/*
What a container asks for, where that is not above its limit, which no schema can say:
(list PLACE GIVEN USUAL). What is given counts whole: merged with what is usual, a request might be above another's limit.
*/}}
{{- define "shardplane.resources" -}}
{{- $given := dict -}}
{{- /* `cpu: 2` is a number to whoever writes YAML, and a text to Kubernetes. */ -}}
{{- range $side, $amounts := default (index . 2) (index . 1) -}}
{{- $texts := dict -}}
{{- range $what, $amount := $amounts }}{{ $_ := set $texts $what (toString $amount) }}{{ end -}}
{{- $_ := set $given $side $texts -}}
{{- end -}}
{{- $limits := default dict $given.limits -}}
{{- range $what, $asked := default dict $given.requests -}}
{{- $limit := get $limits $what -}}
{{- if and $limit (gt (include "shardplane.amount" $asked | float64) (include "shardplane.amount" $limit | float64)) -}}
{{- fail (printf "at '%s/requests/%s': %s is above '%s/limits/%s', which is %s: lower the one or raise the other" (index $ 0) $what $asked (index $ 0) $what $limit) -}}
{{- end -}}
{{- end -}}
{{- toJson $given -}}
{{- end }}

{{/* An amount as a number: of CPU in thousandths, of memory in Ki. */}}
{{- define "shardplane.amount" -}}
{{- if hasSuffix "m" . -}}
{{ trimSuffix "m" . }}
{{- else if hasSuffix "Ki" . -}}
{{ trimSuffix "Ki" . }}
{{- else if hasSuffix "Mi" . -}}
{{ mulf (trimSuffix "Mi" .) 1024 }}
{{- else if hasSuffix "Gi" . -}}
{{ mulf (trimSuffix "Gi" .) 1048576 }}
{{- else -}}
{{ mulf . 1000 }}
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
namespace and labels. In JSON a namespace is a text, whatever its name looks like. (list CONTEXT FILE)
*/}}
{{- define "shardplane.manifest" -}}
{{- $context := index . 0 -}}
{{- $text := $context.Files.Get (printf "manifests/%s" (index . 1)) -}}
{{- range $document := regexSplit "(?m)^---$" $text -1 }}
{{- $object := fromYaml $document | toJson | replace "shardplane-system" $context.Release.Namespace | fromJson }}
{{- if and $object.kind (ne $object.kind "Namespace") }}
{{- $labels := merge (fromYaml (include "shardplane.labels" $context)) (default dict $object.metadata.labels) }}
{{- $_ := set $object.metadata "labels" $labels }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the controller and the jobs around it put up with: our own taint keeps work off the cards of a Node while they are changed,
and on the only Node there is nobody would see to its end. */}}
{{- define "shardplane.tolerations" -}}
{{- $own := dict "key" "shardplane.dev/draining" "operator" "Exists" "effect" "NoSchedule" -}}
{{- concat (list $own) (.Values.controller.tolerations | default list) | toJson -}}
{{- end }}
