{{- define "meetcore.labels" -}}
app.kubernetes.io/name: meetcore
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
{{- define "meetcore.serverLabels" -}}
{{ include "meetcore.labels" . }}
app.kubernetes.io/component: server
{{- end -}}
{{- define "meetcore.image" -}}
{{ .Values.image.repository }}meetcore-{{ if eq .Values.mode "single" }}bot{{ else }}server{{ end }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- define "meetcore.mode" -}}
{{- if not (has .Values.mode (list "single" "cluster")) }}{{ fail (printf "mode is %q; it must be single or cluster" .Values.mode) }}{{ end -}}
{{ .Values.mode }}
{{- end -}}
