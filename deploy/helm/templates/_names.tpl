{{- define "meetcore.labels" -}}
app.kubernetes.io/name: meetcore
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
{{- define "meetcore.serverLabels" -}}
{{ include "meetcore.labels" . }}
app.kubernetes.io/component: server
{{- end -}}
{{- define "meetcore.repository" -}}
{{ with .Values.image.repository }}{{ trimSuffix "/" . }}/{{ end }}
{{- end -}}
{{- define "meetcore.botImage" -}}
{{ include "meetcore.repository" . }}meetcore-bot:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- define "meetcore.image" -}}
{{ if eq .Values.mode "single" }}{{ include "meetcore.botImage" . }}{{ else }}{{ include "meetcore.repository" . }}meetcore-server:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end -}}
{{- define "meetcore.mode" -}}
{{- if not (has .Values.mode (list "single" "cluster")) }}{{ fail (printf "mode is %q; it must be single or cluster" .Values.mode) }}{{ end -}}
{{ .Values.mode }}
{{- end -}}
