// Command chart packages the Helm chart for a release, and checks the package: chart -version VERSION DIRECTORY.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

func main() {
	source := flag.String("chart", "../helm/xconsumer", "directory of the chart")
	version := flag.String("version", "", "version of the release, without v")
	flag.Parse()
	if *version == "" || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: chart -version VERSION DIRECTORY")
		os.Exit(2)
	}
	file, err := save(*source, *version, flag.Arg(0))
	if err == nil {
		err = check(file, *version)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
	fmt.Println(file)
}

// save writes the chart, at the version of a release and with its image, as a file in dir. It returns the file.
func save(source, version, dir string) (string, error) {
	chart, err := loader.Load(source)
	if err != nil {
		return "", err
	}
	chart.Metadata.Version, chart.Metadata.AppVersion = version, version
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return chartutil.Save(chart, dir)
}

// check reads a packaged chart as helm does, and renders it with the least that has to be set.
func check(file, version string) error {
	chart, err := loader.Load(file)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	least := map[string]any{"auth": map[string]any{"existingSecret": "xconsumer"}}
	values, err := chartutil.ToRenderValues(chart, least, chartutil.ReleaseOptions{Name: "check", Namespace: "default", IsInstall: true}, nil)
	if err != nil {
		return err
	}
	files, err := engine.Render(chart, values)
	if err != nil {
		return err
	}
	for name, text := range files {
		if strings.HasSuffix(name, "/statefulset.yaml") {
			if !strings.Contains(text, "xconsumer:"+version) {
				return fmt.Errorf("%s does not have the image xconsumer:%s", name, version)
			}
			return nil
		}
	}
	return errors.New("the chart has no StatefulSet")
}
