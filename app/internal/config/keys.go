package config

import (
	"strings"

	"gitee.com/ken.yang/xconsumer/internal/spelling"
)

// fileConfig is app.toml without its tasks. Durations are text here, so that a mistake in one is reported with its place.
type fileConfig struct {
	Cluster string `toml:"cluster"`
	Node    struct {
		Name     string            `toml:"name"`
		Labels   map[string]string `toml:"labels"`
		Weight   int               `toml:"weight" zero:"would let nothing run or move|leave it out for 1"`
		Capacity int               `toml:"capacity" zero:"would let nothing run or move|leave it out for no limit"`

		RestartGrace string `toml:"restartGrace" text:"duration"`
		Together     int    `toml:"together"`
	} `toml:"node"`
	ZooKeeper zookeeperConfig `toml:"zookeeper"`
	Etcd      etcdConfig      `toml:"etcd"`
	HTTP      struct {
		Listen     string `toml:"listen"`
		Advertise  string `toml:"advertise"`
		SecretFile string `toml:"secretFile"`

		Tokens     []string `toml:"tokens"`
		TokensFile string   `toml:"tokensFile"`
		Hosts      []string `toml:"hosts"`
		Proxies    []string `toml:"proxies"`
		Insecure   bool     `toml:"insecure"`
		TLS        struct {
			Cert       string `toml:"cert"`
			Key        string `toml:"key"`
			ClientCA   string `toml:"clientCA"`
			ClientRole string `toml:"clientRole"`
			CA         string `toml:"ca"`
		} `toml:"tls"`
	} `toml:"http"`
	Leader struct {
		Workers string `toml:"workers"`
	} `toml:"leader"`
	Log struct {
		Keep string `toml:"keep"`
	} `toml:"log"`
	Works []fileWork `toml:"work"`
	// The policy and the tasks come from cluster.Rebalance and cluster.TaskSpec: see document.
}

type fileWork struct {
	Name    string            `toml:"name"`
	Command []string          `toml:"command"`
	Dir     string            `toml:"dir"`
	Env     map[string]string `toml:"env"`
	User    string            `toml:"user"`
}

type zookeeperConfig struct {
	Host           string    `toml:"host"`
	SessionTimeout string    `toml:"sessionTimeout" zero:"would end every session at once|leave it out for 20s; at the usual tickTime the least is 5s"`
	TickTime       string    `toml:"tickTime" zero:"is not a possible tick|leave it out for 2s, or write what the servers have"`
	Username       string    `toml:"username"`
	Password       string    `toml:"password"`
	PasswordFile   string    `toml:"passwordFile"`
	TLS            tlsConfig `toml:"tls"`
}

type etcdConfig struct {
	Endpoints      []string  `toml:"endpoints"`
	Prefix         string    `toml:"prefix"`
	SessionTimeout string    `toml:"sessionTimeout" zero:"would end every session at once|leave it out for 10s; the least is 2s"`
	Username       string    `toml:"username"`
	Password       string    `toml:"password"`
	PasswordFile   string    `toml:"passwordFile"`
	TLS            tlsConfig `toml:"tls"`
}

type tlsConfig struct {
	CA         string `toml:"ca"`
	Cert       string `toml:"cert"`
	Key        string `toml:"key"`
	ServerName string `toml:"serverName"`
}

func cutLast(key string) (above, last string, found bool) {
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		return key[:i], key[i+1:], true
	}
	return "", key, false
}

func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// nearest returns the known key of the same table that is most similar to a mistyped one, "" if none is similar.
func nearest(key string) string {
	above, last, _ := cutLast(key)
	var known []string
	for k := range keys {
		if kAbove, kLast, _ := cutLast(k); kAbove == above {
			known = append(known, kLast)
		}
	}
	return spelling.Nearest(last, known)
}
