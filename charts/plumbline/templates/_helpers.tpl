{{/* The release's full name: the release's name if it contains "plumbline", otherwise RELEASE-plumbline. It has at most
40 characters, so that the names made from it stay short enough. */}}
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

{{/* The labels of every object. Call it with the component: (dict "root" $ "component" "operator"). */}}
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
{{- $missing := print
  "image.repository is empty, and no registry offers the operator's image: "
  "build it, push it, and set image.repository to where you pushed it (config/README.md)" -}}
{{ required $missing .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* The security contexts of a pod and of a container that the restricted Pod Security standard requires. */}}
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

{{/* The URLs of NATS and the Secret with the account's keys: those of this chart's server, or of the external one, for
which the values must be set. */}}
{{- define "plumbline.nats.url" -}}
{{- if .Values.nats.enabled -}}
{{ if .Values.nats.tls.enabled }}tls{{ else }}nats{{ end }}://{{ include "plumbline.nats.name" . }}.{{ .Release.Namespace }}.svc:4222
{{- else -}}
{{- $missing := print
  "nats.enabled is false, so the operator needs an external NATS server: "
  "set nats.url to its URL, such as tls://nats.example.com:4222" -}}
{{ required $missing .Values.nats.url }}
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
{{- $missing := print
  "nats.enabled is false, so the operator needs the keys of your NATS account: set nats.accountSecret to the name of a "
  "Secret in the release's namespace with the keys signing.nk and account.pub (docs/nats.md says how to make it)" -}}
{{ required $missing .Values.nats.accountSecret }}
{{- end -}}
{{- end -}}

{{/* The name of the Secret with the NATS server's certificate and key and the authority's certificate. Empty: this
chart's server uses no TLS. */}}
{{- define "plumbline.nats.tlsSecret" -}}
{{- if and .Values.nats.enabled .Values.nats.tls.enabled -}}
{{ .Values.nats.tls.secretName | default (printf "%s-tls" (include "plumbline.nats.name" .)) }}
{{- end -}}
{{- end -}}

{{/* The name of the Secret with the ca.crt that the operator and the trials trust. Empty: they trust the authorities
that their images know. */}}
{{- define "plumbline.nats.caSecret" -}}
{{- if .Values.nats.enabled -}}
{{ include "plumbline.nats.tlsSecret" . }}
{{- else -}}
{{ .Values.nats.caSecret }}
{{- end -}}
{{- end -}}
