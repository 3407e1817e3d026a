{{/* This chart's values, taken from the context of the chart that uses it. */}}
{{- define "mount-monitor.values" -}}
{{- get .Values "mount-monitor" | required "values: mount-monitor is missing; is the chart a dependency of that name?" | toYaml -}}
{{- end -}}

{{- define "mount-monitor.fullname" -}}
{{- $values := include "mount-monitor.values" . | fromYaml -}}
{{- $values.fullnameOverride | default (printf "%s-mount-monitor" .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels of the pods with the sidecar; NetworkPolicy and monitors select by them. */}}
{{- define "mount-monitor.podLabels" -}}
mount-monitor: {{ include "mount-monitor.fullname" . }}
{{- end -}}

{{- define "mount-monitor.labels" -}}
app.kubernetes.io/name: mount-monitor
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "mount-monitor.image" -}}
{{- $image := (include "mount-monitor.values" . | fromYaml).image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default (get .Subcharts "mount-monitor").Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* For the pod's `serviceAccountName`; "default" if the watchdog is disabled. */}}
{{- define "mount-monitor.serviceAccountName" -}}
{{- $values := include "mount-monitor.values" . | fromYaml -}}
{{- if $values.serviceAccount.name -}}
{{- $values.serviceAccount.name -}}
{{- else if ($values.config.watchdog | default dict).enabled -}}
{{- $values.serviceAccount.create | ternary (include "mount-monitor.fullname" .) "default" -}}
{{- else -}}
default
{{- end -}}
{{- end -}}
