{{- /* The labels of a pool beside its name: a SwarmPlan with a target finds its workers by the label target. */ -}}
{{- define "swarm.poolLabels" -}}
{{- $own := dict }}{{ with .target }}{{ $own = dict "target" . }}{{ end -}}
{{- merge (dict) (.labels | default dict) $own | toYaml }}
{{- end }}
{{- /* The template of a worker's Pod; the argument has the keys root, pool and job. */ -}}
{{- define "swarm.workerPod" -}}
{{- $root := .root }}{{ $pool := .pool }}{{ $keda := $pool.keda | default dict }}
{{- $drain := $pool.drainDeadline | default 600 | int }}
{{- $keep := ($pool.persistence | default dict).enabled }}
metadata:
  labels:
    {{- include "swarm.labels" $root | nindent 4 }}
    app.kubernetes.io/component: worker
    swarm.amplifier.dev/pool: {{ $pool.name }}
spec:
  serviceAccountName: {{ include "swarm.name" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- if .job }}
  restartPolicy: Never
  {{- end }}
  # SIGTERM drains; at the deadline sessions are ended and reported, for which a minute is left.
  terminationGracePeriodSeconds: {{ add $drain 60 }}
  securityContext: {{- include "swarm.podSecurity" $root | nindent 4 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: worker
      image: "{{ $root.Values.image.worker }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}"
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: [swarm-worker]
      args:
        - --server={{ include "swarm.address" $root }}
        - --name=$(POD_NAME)
        - --token-file=/etc/swarm/tokens/worker
        - --tls-ca=/etc/swarm/tls/ca.crt
        - --state-dir=/state/worker
        - --project-root=/work
        - --slots={{ $pool.slots | default 1 }}
        - --drain-deadline={{ $drain }}
        - --label=pool={{ $pool.name }}
        - --label=node=$(NODE_NAME)
        {{- range $key, $value := include "swarm.poolLabels" $pool | fromYaml }}
        - {{ printf "--label=%s=%s" $key $value | quote }}
        {{- end }}
        {{- with $pool.repo }}
        - {{ printf "--repo=%s" . | quote }}
        {{- end }}
        {{- with $pool.target }}
        - {{ printf "--target=%s" . | quote }}
        {{- end }}
        {{- with $pool.runner }}
        - --runner={{ . }}
        {{- end }}
        {{- range $pool.passEnv }}
        - --pass-env={{ . }}
        {{- end }}
        {{- if .job }}
        - --exit-when-idle={{ $keda.exitWhenIdle | default 60 }}
        {{- end }}
        - --log-format=json
        {{- range $pool.args }}
        - {{ . | quote }}
        {{- end }}
      env:
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        - name: NODE_NAME
          valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
        - {name: HOME, value: /work}
        {{- with $pool.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $pool.envFrom }}
      envFrom: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext: {{- include "swarm.containerSecurity" $root | nindent 8 }}
      resources: {{- toYaml ($pool.resources | default dict) | nindent 8 }}
      volumeMounts:
        - {name: state, mountPath: /state}
        - {name: work, mountPath: /work}
        - {name: tokens, mountPath: /etc/swarm/tokens, readOnly: true}
        - {name: tls, mountPath: /etc/swarm/tls, readOnly: true}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: tokens
      secret:
        secretName: {{ include "swarm.tokens" $root }}
        defaultMode: 0440
        items: [{key: worker, path: worker}]
    - name: tls
      secret:
        secretName: {{ include "swarm.tls" $root }}
        defaultMode: 0440
        items: [{key: ca.crt, path: ca.crt}]
    - {name: work, emptyDir: {}}
    - {name: tmp, emptyDir: {}}
    {{- if not $keep }}
    - {name: state, emptyDir: {}}
    {{- else if .job }}
    - name: state
      ephemeral:
        volumeClaimTemplate:
          spec: {{- include "swarm.workerClaim" $pool | nindent 12 }}
    {{- end }}
  {{- with $pool.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pool.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- define "swarm.workerClaim" -}}
accessModes: [ReadWriteOnce]
{{- with .persistence.storageClass }}
storageClassName: {{ . }}
{{- end }}
resources: {requests: {storage: {{ .persistence.size | default "20Gi" }}}}
{{- end }}
{{- /* KEDA's trigger of a pool. */ -}}
{{- define "swarm.trigger" -}}
{{- $labels := list (printf "pool=%s" .pool.name) }}
{{- range $key, $value := include "swarm.poolLabels" .pool | fromYaml }}{{ $labels = append $labels (printf "%s=%s" $key $value) }}{{ end -}}
- type: {{ if eq .pool.keda.kind "ScaledObject" }}external-push{{ else }}external{{ end }}
  metadata:
    scalerAddress: {{ include "swarm.address" .root | quote }}
    labels: {{ join "," $labels | quote }}
    slots: {{ .pool.slots | default 1 | toString | quote }}
    clones: {{ not (empty .pool.repo) | toString | quote }}
    unlabelled: {{ ternary "true" "false" (ne (toString .pool.keda.unlabelled) "false") | quote }}
  authenticationRef: {name: {{ include "swarm.name" .root }}}
{{- end }}
