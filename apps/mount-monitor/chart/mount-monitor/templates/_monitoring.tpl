{{- define "mount-monitor.networkPolicy" -}}
{{- $values := include "mount-monitor.values" . | fromYaml -}}
{{- $port := $values.config.httpPort | default 8080 | int -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "mount-monitor.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "mount-monitor.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "mount-monitor.podLabels" . | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    # A policy applies to the whole pod: every port except the monitor's stays open.
    - ports:
        {{- if gt $port 1 }}
        - protocol: TCP
          port: 1
          endPort: {{ sub $port 1 }}
        {{- end }}
        {{- if lt $port 65535 }}
        - protocol: TCP
          port: {{ add $port 1 }}
          endPort: 65535
        {{- end }}
        - protocol: UDP
          port: 1
          endPort: 65535
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {{ $values.networkPolicy.prometheusNamespace }}
      ports:
        - protocol: TCP
          port: {{ $port }}
{{- end -}}

{{- define "mount-monitor.monitoring" -}}
{{- $values := include "mount-monitor.values" . | fromYaml -}}
{{- $name := include "mount-monitor.fullname" . -}}
{{- $port := $values.config.httpPort | default 8080 | int -}}
{{- $labels := include "mount-monitor.labels" . -}}
{{- if $values.podMonitor.enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
    {{- with $values.podMonitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "mount-monitor.podLabels" . | nindent 6 }}
  podMetricsEndpoints:
    - port: mount-monitor
      path: /metrics
      interval: {{ $values.podMonitor.interval }}
      # The job that the alert MountMonitorDown expects, regardless of this object's name.
      relabelings:
        - targetLabel: job
          replacement: mount-monitor
{{- end }}
{{- if $values.serviceMonitor.enabled }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
    {{- include "mount-monitor.podLabels" . | nindent 4 }}
spec:
  clusterIP: None
  # A pod with an unhealthy mount is not ready, which is exactly when its metrics matter.
  publishNotReadyAddresses: true
  selector:
    {{- include "mount-monitor.podLabels" . | nindent 4 }}
  ports:
    - name: mount-monitor
      port: {{ $port }}
      targetPort: {{ $port }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
    {{- with $values.serviceMonitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "mount-monitor.podLabels" . | nindent 6 }}
  endpoints:
    - port: mount-monitor
      path: /metrics
      interval: {{ $values.serviceMonitor.interval }}
      # The job that the alert MountMonitorDown expects, regardless of this object's name.
      relabelings:
        - targetLabel: job
          replacement: mount-monitor
{{- end }}
{{- if $values.prometheusRule.enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
    {{- with $values.prometheusRule.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- (get .Subcharts "mount-monitor").Files.Get "files/mount-monitor.rules.yaml" | nindent 2 }}
{{- end }}
{{- end -}}
