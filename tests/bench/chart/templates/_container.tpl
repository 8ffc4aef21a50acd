{{- define "bench.labels" -}}
app.kubernetes.io/name: model-server
app.kubernetes.io/instance: {{ .name }}
app.kubernetes.io/component: server
app.kubernetes.io/part-of: bench
app.kubernetes.io/version: 3.17.2
app.kubernetes.io/managed-by: mlops-nix
{{- end }}

{{- define "bench.selector" -}}
app.kubernetes.io/name: model-server
app.kubernetes.io/instance: {{ .name }}
{{- end }}

{{- define "bench.metadata" -}}
name: {{ .name }}
namespace: {{ .namespace }}
labels:
  {{- include "bench.labels" . | nindent 2 }}
{{- end }}

{{- define "bench.probe" -}}
httpGet:
  path: /health
  port: http
periodSeconds: 10
timeoutSeconds: 5
failureThreshold: 3
{{- end }}

{{- define "bench.container" -}}
- name: {{ .container }}
  image: {{ .image }}
  imagePullPolicy: IfNotPresent
  args:
  - --host=0.0.0.0
  - --port=8080
  - --workers={{ .workers }}
  env:
  - name: DATABASE_PASSWORD
    valueFrom:
      secretKeyRef:
        name: database
        key: password
  - name: LOG_LEVEL
    value: info
  ports:
  - name: http
    containerPort: 8080
  resources:
    requests:
      cpu: 500m
      memory: 1Gi
    limits:
      memory: 2Gi
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop:
      - ALL
  readinessProbe:
    {{- include "bench.probe" . | nindent 4 }}
  livenessProbe:
    {{- include "bench.probe" . | nindent 4 }}
  volumeMounts:
  - name: config
    mountPath: /etc/app
    readOnly: true
  - name: tmp
    mountPath: /tmp
{{- end }}

{{- define "bench.volumes" -}}
- name: config
  configMap:
    name: {{ .name }}
- name: tmp
  emptyDir: {}
{{- end }}
