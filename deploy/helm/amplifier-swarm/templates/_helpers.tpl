{{- define "swarm.name" -}}
{{- ternary .Release.Name (printf "%s-swarm" .Release.Name) (contains "swarm" .Release.Name) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- define "swarm.labels" -}}
app.kubernetes.io/name: amplifier-swarm
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "swarm.selector" -}}
app.kubernetes.io/name: amplifier-swarm
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "swarm.tokens" -}}
{{ .Values.tokens.existingSecret | default (printf "%s-tokens" (include "swarm.name" .)) }}
{{- end }}
{{- define "swarm.tls" -}}
{{ .Values.tls.existingSecret | default (printf "%s-tls" (include "swarm.name" .)) }}
{{- end }}
{{- define "swarm.address" -}}
{{ include "swarm.name" . }}.{{ .Release.Namespace }}.svc:7433
{{- end }}
{{- define "swarm.podSecurity" -}}
runAsNonRoot: true
{{- if not .Values.openshift }}
runAsUser: 1000
runAsGroup: 0
fsGroup: 1000
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "swarm.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
{{- /* A new token of that role: see the flag --accept-token of swarmd. */ -}}
{{- define "swarm.token" -}}
swt1_{{ . }}_{{ randAlphaNum 32 | sha256sum | trunc 12 }}_{{ randAlphaNum 43 }}
{{- end }}
{{- define "swarm.usesKeda" -}}
{{- range .Values.workers }}{{ if .keda }}yes{{ end }}{{ end }}
{{- end }}
