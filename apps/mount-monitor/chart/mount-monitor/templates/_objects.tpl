{{/* All objects except the pod; include this in one file of your chart. */}}
{{- define "mount-monitor.objects" -}}
{{- $values := include "mount-monitor.values" . | fromYaml -}}
{{- $name := include "mount-monitor.fullname" . -}}
{{- $labels := include "mount-monitor.labels" . -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}-config
  namespace: {{ .Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
data:
  config.json: |
    {{- $values.config | toPrettyJson | nindent 4 }}
{{- if ($values.config.watchdog | default dict).enabled }}
---
{{ include "mount-monitor.watchdog" . }}
{{- end }}
{{- if $values.networkPolicy.enabled }}
---
{{ include "mount-monitor.networkPolicy" . }}
{{- end }}
{{ include "mount-monitor.monitoring" . }}
{{- end -}}

{{- define "mount-monitor.watchdog" -}}
{{- $values := include "mount-monitor.values" . | fromYaml -}}
{{- $name := include "mount-monitor.fullname" . -}}
{{- $labels := include "mount-monitor.labels" . -}}
{{- $mode := $values.config.watchdog.mode | default "delete" -}}
{{- $pods := $values.rbac.podNames -}}
{{- if $values.serviceAccount.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "mount-monitor.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
automountServiceAccountToken: false
---
{{- else if not $values.serviceAccount.name -}}
{{- fail "mount-monitor.serviceAccount: with create: false, name is required, since the watchdog is enabled" -}}
{{- end }}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
rules:
  - apiGroups: [""]
    resources: [pods]
    {{- with $pods }}
    resourceNames: {{ toJson . }}
    {{- end }}
    verbs: {{ eq $mode "delete" | ternary (list "get" "delete") (list "get") | toJson }}
  - apiGroups: [events.k8s.io]
    resources: [events]
    verbs: [create]
  - apiGroups: [""]
    resources: [configmaps]
    resourceNames: [{{ $name }}-budget]
    verbs: [get, patch]
  {{- if eq $mode "evict" }}
  - apiGroups: [""]
    resources: [pods/eviction]
    {{- with $pods }}
    resourceNames: {{ toJson . }}
    {{- end }}
    verbs: [create]
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "mount-monitor.serviceAccountName" . }}
    namespace: {{ .Release.Namespace }}
---
# Without data: the watchdog fills it in, and an upgrade does not touch that.
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}-budget
  namespace: {{ .Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
{{- end -}}
