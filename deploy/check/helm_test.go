package check_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

var auth = map[string]any{"tokens": "ada admin sha256:x\nhook operate sha256:y", "peers": strings.Repeat("p", 32), "drain": "token"}

// render renders the chart, one document after the other, in the order of the files; and what Helm shows after an install.
func render(t *testing.T, values map[string]any) (documents []string, notes string, err error) {
	t.Helper()
	chart, err := loader.Load("../helm/xconsumer")
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: "work", Namespace: "default", IsInstall: true}, nil)
	if err != nil {
		return nil, "", err // the schema refuses the values
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return nil, "", err
	}
	names := []string{}
	for name := range files {
		switch filepath.Ext(name) {
		case ".yaml":
			names = append(names, name)
		case ".txt":
			notes = files[name]
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, d := range strings.Split(files[name], "\n---") {
			if lines := strings.TrimSpace(d); lines != "" {
				documents = append(documents, lines)
			}
		}
	}
	return documents, notes, nil
}

// kinds are what documents are read into: a field that there is not is an error.
var kinds = map[string]func() any{
	"ConfigMap": func() any { return &corev1.ConfigMap{} }, "Secret": func() any { return &corev1.Secret{} }, "Service": func() any { return &corev1.Service{} },
	"ServiceAccount": func() any { return &corev1.ServiceAccount{} }, "StatefulSet": func() any { return &appsv1.StatefulSet{} },
	"PodDisruptionBudget": func() any { return &policyv1.PodDisruptionBudget{} }, "NetworkPolicy": func() any { return &networkingv1.NetworkPolicy{} },
	"ServiceMonitor": func() any { return &map[string]any{} }, // of an operator that need not be there
}

// Everything that the chart makes is what Kubernetes' own types read.
func TestChart(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"usual":       {"auth": auth},
		"its own":     {"auth": map[string]any{"existingSecret": "mine"}, "replicas": 5, "hosts": []any{"work.example"}, "env": []any{map[string]any{"name": "XCONSUMER_ZOOKEEPER_USERNAME", "value": "work"}}},
		"with prom":   {"auth": auth, "serviceMonitor": map[string]any{"enabled": true, "labels": map[string]any{"release": "prom"}, "tokenSecret": map[string]any{"name": "prom", "key": "token"}}},
		"without all": {"auth": auth, "drain": false, "networkPolicy": map[string]any{"enabled": false}, "topologySpreadConstraints": nil},
	} {
		t.Run(name, func(t *testing.T) {
			made := read(t, values)
			if (made.secret != nil) != (values["auth"].(map[string]any)["existingSecret"] == nil) || (made.policy != nil) != (name != "without all") || (made.monitor != nil) != (name == "with prom") {
				t.Errorf("%+v", made)
			}
			checkSet(t, made.set, values["drain"] != false)
		})
	}
}

// made is what the chart makes, as far as tests look into it; nil is what it does not make.
type made struct {
	notes   string
	config  *corev1.ConfigMap
	secret  *corev1.Secret
	set     *appsv1.StatefulSet
	policy  *networkingv1.NetworkPolicy
	monitor map[string]any
	names   map[string]*corev1.Service
}

// read renders the chart, and reads every document into the type of its kind.
func read(t *testing.T, values map[string]any) made {
	t.Helper()
	documents, notes, err := render(t, values)
	if err != nil {
		t.Fatal(err)
	}
	out := made{notes: notes, names: map[string]*corev1.Service{}}
	for _, d := range documents {
		var head struct{ Kind string }
		if err := yaml.Unmarshal([]byte(d), &head); err != nil {
			t.Fatalf("%v:\n%s", err, d)
		}
		into := kinds[head.Kind]
		if into == nil {
			t.Fatalf("kind %q is not known:\n%s", head.Kind, d)
		}
		value := into()
		if err := yaml.UnmarshalStrict([]byte(d), value); err != nil {
			t.Errorf("%s: %v\n%s", head.Kind, err, d)
		}
		switch v := value.(type) {
		case *corev1.ConfigMap:
			out.config = v
		case *corev1.Secret:
			out.secret = v
		case *appsv1.StatefulSet:
			out.set = v
		case *networkingv1.NetworkPolicy:
			out.policy = v
		case *corev1.Service:
			out.names[v.Name] = v
		case *map[string]any:
			out.monitor = *v
		}
	}
	if out.set == nil || out.config == nil {
		t.Fatalf("%+v", out)
	}
	return out
}

// With a certificate, probes, hook and Prometheus speak TLS, and nodes know the authority of each other.
func TestChartWithTLS(t *testing.T) {
	values := map[string]any{"auth": auth, "tls": map[string]any{"existingSecret": "work-tls"}, "serviceMonitor": map[string]any{"enabled": true}}
	with, without := read(t, values), read(t, map[string]any{"auth": auth, "serviceMonitor": map[string]any{"enabled": true}})
	for made, scheme := range map[*made]corev1.URIScheme{&with: corev1.URISchemeHTTPS, &without: ""} {
		c := made.set.Spec.Template.Spec.Containers[0]
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
			if probe.HTTPGet.Scheme != scheme {
				t.Errorf("%s is asked by %q, not by %q", probe.HTTPGet.Path, probe.HTTPGet.Scheme, scheme)
			}
		}
		endpoint := made.monitor["spec"].(map[string]any)["endpoints"].([]any)[0].(map[string]any)
		if (endpoint["scheme"] == "https") != (scheme != "") || (endpoint["tlsConfig"] != nil) != (scheme != "") {
			t.Errorf("Prometheus asks by %v", endpoint)
		}
	}
	checkSet(t, with.set, true)
	env := map[string]string{}
	for _, e := range with.set.Spec.Template.Spec.Containers[0].Env {
		env[e.Name] = e.Value
	}
	for name, want := range map[string]string{
		"XCONSUMER_HTTP_TLS_CERT": "tls.crt", "XCONSUMER_HTTP_TLS_KEY": "tls.key", "XCONSUMER_HTTP_TLS_CA": "ca.crt", "XCONSUMER_API_CA": "ca.crt",
	} {
		if dir, file := filepath.Split(env[name]); file != want || mounted(t, with.set, filepath.Clean(dir)).Secret.SecretName != "work-tls" {
			t.Errorf("%s is %q", name, env[name])
		}
	}
	for made, want := range map[*made]string{&with: "--server https://localhost:8800 --ca ca.crt", &without: "open http://127.0.0.1:8800"} {
		if !strings.Contains(made.notes, want) || !strings.Contains(made.notes, "kubectl exec work-0 --namespace default -- /xconsumer status") {
			t.Errorf("%q is not in the notes:\n%s", want, made.notes)
		}
	}
	// The hook asks for the name that the certificate has to be for anyway.
	if env["XCONSUMER_SERVER"] != "https://$(XCONSUMER_HTTP_ADVERTISE)" {
		t.Errorf("the hook asks %q", env["XCONSUMER_SERVER"])
	}
}

// variables returns the references that name all variables of the program.
func variables(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, page := range []string{"configuration.md", "cli.md"} {
		text, err := os.ReadFile("../../docs/reference/" + page)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	return out.String()
}

// mounted returns the volume that the node finds at a path.
func mounted(t *testing.T, set *appsv1.StatefulSet, path string) corev1.Volume {
	t.Helper()
	pod := set.Spec.Template.Spec
	for _, m := range pod.Containers[0].VolumeMounts {
		for _, v := range pod.Volumes {
			if m.MountPath == path && v.Name == m.Name {
				return v
			}
		}
	}
	t.Fatalf("nothing is mounted at %s: %+v", path, pod.Containers[0].VolumeMounts)
	return corev1.Volume{}
}

// Prometheus reads each node once, although two services have the pods.
func TestMonitorSelectsOneService(t *testing.T) {
	made := read(t, map[string]any{"auth": auth, "serviceMonitor": map[string]any{"enabled": true}})
	wanted := made.monitor["spec"].(map[string]any)["selector"].(map[string]any)["matchLabels"].(map[string]any)
	var selected []string
	for name, service := range made.names {
		fits := true
		for key, value := range wanted {
			fits = fits && service.Labels[key] == value
		}
		if fits {
			selected = append(selected, name)
		}
	}
	if len(made.names) != 2 || !slices.Equal(selected, []string{"work-nodes"}) {
		t.Errorf("of %d services %v", len(made.names), selected)
	}
}

// What a program needs is mounted, and the image is pulled as whom the values name.
func TestChartWithVolumes(t *testing.T) {
	made := read(t, map[string]any{
		"auth": auth, "imagePullSecrets": []any{map[string]any{"name": "registry"}},
		"extraVolumes":      []any{map[string]any{"name": "tmp", "emptyDir": map[string]any{}}},
		"extraVolumeMounts": []any{map[string]any{"name": "tmp", "mountPath": "/tmp"}},
		"store":             map[string]any{"existingSecret": "zk"},
		"config":            "[zookeeper]\npasswordFile = \"/run/secrets/xconsumer-store/password\"",
	})
	if v := mounted(t, made.set, "/tmp"); v.EmptyDir == nil {
		t.Errorf("%+v", v)
	}
	if v := mounted(t, made.set, "/run/secrets/xconsumer-store"); v.Secret == nil || v.Secret.SecretName != "zk" || *v.Secret.DefaultMode != 0o440 {
		t.Errorf("%+v", v)
	}
	if pull := made.set.Spec.Template.Spec.ImagePullSecrets; len(pull) != 1 || pull[0].Name != "registry" {
		t.Errorf("%+v", pull)
	}
}

// Constraints count the pods of their release, unless they say which.
func TestSpread(t *testing.T) {
	own := map[string]any{
		"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule",
		"labelSelector": map[string]any{"matchLabels": map[string]any{"a": "b"}},
	}
	for name, values := range map[string]map[string]any{"usual": {"auth": auth}, "own": {"auth": auth, "topologySpreadConstraints": []any{own}}} {
		var keys []string
		made := read(t, values)
		for _, c := range made.set.Spec.Template.Spec.TopologySpreadConstraints {
			keys = append(keys, c.TopologyKey)
			want := made.set.Spec.Selector.MatchLabels
			if name == "own" {
				want = map[string]string{"a": "b"}
			}
			if !maps.Equal(c.LabelSelector.MatchLabels, want) {
				t.Errorf("%s: %s counts %v", name, c.TopologyKey, c.LabelSelector.MatchLabels)
			}
		}
		want := map[string][]string{"usual": {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}, "own": {"rack"}}[name]
		if !slices.Equal(keys, want) {
			t.Errorf("%s: %v", name, keys)
		}
	}
}

// guides are the pages about the chart.
var guides = []string{"../../docs/guides/kubernetes.md", "../../docs/zh/guides/kubernetes.md"}

// blocks returns what a page has its reader write, by the names of the files.
func blocks(t *testing.T, page string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, b := range regexp.MustCompile(`(?ms)^<!-- test: file (\S+) -->\n`+"```"+`\w+\n(.*?)^`+"```").FindAllStringSubmatch(string(text), -1) {
		out[b[1]] = b[2]
	}
	return out
}

// The values that the guide shows are ones that the chart takes, alone and with those that it adds later.
func TestGuideValues(t *testing.T) {
	for _, page := range guides {
		files := blocks(t, page)
		var values map[string]any
		for _, name := range []string{"values.yaml", "more.yaml", "tls.yaml"} {
			if files[name] == "" {
				t.Fatalf("%s has no %s", page, name)
			}
			if err := yaml.UnmarshalStrict([]byte(files[name]), &values); err != nil { // keeps what the files before have
				t.Fatalf("%s: %s: %v", page, name, err)
			}
			made := read(t, values)
			c := made.set.Spec.Template.Spec.Containers[0]
			if c.Image != "registry.example.com/poll:v1" || made.config.Data["app.toml"] != strings.TrimSpace(values["config"].(string)) || made.secret != nil {
				t.Errorf("%s: %s: image %s, config %q", page, name, c.Image, made.config.Data["app.toml"])
			}
			checkSet(t, made.set, true)
		}
	}
}

// Both guides name every value of the chart.
func TestValuesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../helm/xconsumer/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	for _, page := range guides {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for name := range values {
			if !regexp.MustCompile("(?m)^\\| .*`" + name + "[.`].*\\|$").Match(text) {
				t.Errorf("%s does not name %s", page, name)
			}
		}
	}
}

func checkSet(t *testing.T, set *appsv1.StatefulSet, drains bool) {
	t.Helper()
	c := set.Spec.Template.Spec.Containers[0]
	if (c.Lifecycle != nil) != drains {
		t.Errorf("it drains: %v", c.Lifecycle != nil)
	}
	if s := c.SecurityContext; s == nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !*set.Spec.Template.Spec.SecurityContext.RunAsNonRoot {
		t.Errorf("it may do more than it has to: %+v", s)
	}
	for _, e := range c.Env {
		if strings.HasPrefix(e.Name, "XCONSUMER_") && !strings.Contains(variables(t), e.Name) {
			t.Errorf("no program reads %s, as far as the reference says", e.Name)
		}
	}
	for _, want := range []string{"XCONSUMER_NODE_NAME", "XCONSUMER_HTTP_TOKENS_FILE", "XCONSUMER_HTTP_ADVERTISE"} {
		if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == want }) {
			t.Errorf("%s is not set", want)
		}
	}
}

// Values with which no node could work, or that mean nothing, are refused with what to do.
func TestChartRefuses(t *testing.T) {
	for want, values := range map[string]map[string]any{
		"auth: set existingSecret":       {},
		"auth.drain":                     {"auth": map[string]any{"tokens": "x", "peers": "y"}},
		"set 31 or more":                 {"auth": auth, "terminationGracePeriodSeconds": 30},
		"config names no file":           {"auth": auth, "store": map[string]any{"existingSecret": "zk"}},
		"extraVolume":                    {"auth": auth, "extraVolume": []any{}}, // of which one letter is missing
		"/terminationGracePeriodSeconds": {"auth": auth, "terminationGracePeriodSeconds": "2m"},
	} {
		if _, _, err := render(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, _, err := render(t, map[string]any{"auth": auth, "drain": false, "terminationGracePeriodSeconds": 10}); err != nil {
		t.Error(err)
	}
}

// The plain manifests are what the chart makes, for those who use no Helm. UPDATE=1 writes them.
func TestManifests(t *testing.T) {
	documents, _, err := render(t, map[string]any{"auth": map[string]any{"existingSecret": "xconsumer-auth"}, "image": map[string]any{"repository": "xconsumer", "tag": "latest"}})
	if err != nil {
		t.Fatal(err)
	}
	const file = "../kubernetes/xconsumer.yaml"
	text := "# Rendered from deploy/helm/xconsumer. It wants a Secret first:\n#\n#   kubectl create secret generic xconsumer-auth --from-file=tokens --from-file=peers --from-file=drain\n---\n" + strings.Join(documents, "\n---\n") + "\n"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(file); err != nil || !bytes.Equal(old, []byte(text)) {
		t.Errorf("%s is not what the chart makes (%v): UPDATE=1 go test ./... in deploy/check", file, err)
	}
}
