{{/* The release's full name: plumbline for the usual release, otherwise RELEASE-plumbline. At most 40 characters, so that what is
appended still fits. */}}
{{- define "plumbline.name" -}}
{{- if contains "plumbline" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-plumbline" .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "plumbline.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "plumbline.name" .) }}
{{- end -}}

{{- define "plumbline.nats.name" -}}
{{ include "plumbline.name" . }}-nats
{{- end -}}

{{/* Labels of every object; call with the component: (dict "root" $ "component" "operator"). */}}
{{- define "plumbline.labels" -}}
{{ include "plumbline.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: plumbline
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "plumbline.selector" -}}
app.kubernetes.io/name: plumbline-{{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "plumbline.image" -}}
{{ required "set image.repository to where you pushed the operator's image (config/README.md): no registry offers one" .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* What the restricted Pod Security standard asks of a pod and of a container. */}}
{{- define "plumbline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "plumbline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where NATS is, and who signs for it: this chart's server, or the external one, of which all must be known. */}}
{{- define "plumbline.nats.url" -}}
{{- if .Values.nats.enabled -}}
{{ if .Values.nats.tls.enabled }}tls{{ else }}nats{{ end }}://{{ include "plumbline.nats.name" . }}.{{ .Release.Namespace }}.svc:4222
{{- else -}}
{{ required "nats.enabled is false: set nats.url to where the operator reaches your NATS server, such as tls://nats.example.com:4222" .Values.nats.url }}
{{- end -}}
{{- end -}}

{{- define "plumbline.nats.urlForTrials" -}}
{{- if .Values.nats.enabled -}}
{{ include "plumbline.nats.url" . }}
{{- else -}}
{{ .Values.nats.urlForTrials | default (include "plumbline.nats.url" .) }}
{{- end -}}
{{- end -}}

{{- define "plumbline.nats.accountSecret" -}}
{{- if .Values.nats.enabled -}}
{{ include "plumbline.nats.name" . }}-account
{{- else -}}
{{ required "nats.enabled is false: set nats.accountSecret to a Secret in the release's namespace with the keys signing.nk and account.pub" .Values.nats.accountSecret }}
{{- end -}}
{{- end -}}

{{/* The Secret with the NATS server's certificate, key and authority; empty: this chart's server does not speak TLS. */}}
{{- define "plumbline.nats.tlsSecret" -}}
{{- if and .Values.nats.enabled .Values.nats.tls.enabled -}}
{{ .Values.nats.tls.secretName | default (printf "%s-tls" (include "plumbline.nats.name" .)) }}
{{- end -}}
{{- end -}}

{{/* The Secret whose ca.crt the operator and the trials trust; empty: the authorities of their images. */}}
{{- define "plumbline.nats.caSecret" -}}
{{- if .Values.nats.enabled -}}
{{ include "plumbline.nats.tlsSecret" . }}
{{- else -}}
{{ .Values.nats.caSecret }}
{{- end -}}
{{- end -}}
