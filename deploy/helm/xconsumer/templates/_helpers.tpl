{{- define "xconsumer.labels" -}}
app.kubernetes.io/name: xconsumer
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "xconsumer.secret" -}}
{{ .Values.auth.existingSecret | default (printf "%s-auth" .Release.Name) }}
{{- end }}
