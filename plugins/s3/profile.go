package s3

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

const defaultProfile = "default"

// profile is a section of the files of the AWS tools. values is empty if there is none.
type profile struct {
	name   string
	files  [2]string // credentials, config
	values map[string]string
}

// profile reads the profile that c names. Without a name it is "default", which need not exist.
func (c Config) profile() (profile, error) {
	p := profile{name: cmp.Or(c.Profile, defaultProfile), values: map[string]string{}}
	for i, f := range []struct{ given, usual string }{{c.CredentialsFile, "~/.aws/credentials"}, {c.ConfigFile, "~/.aws/config"}} {
		path, err := expandHome(cmp.Or(f.given, f.usual))
		if err != nil {
			if f.given == "" && c.Profile == "" {
				continue // a machine without a home directory has no profiles either
			}
			return p, err
		}
		p.files[i] = path
	}
	return p, p.read(c.Profile != "")
}

// read reads both files. The credentials file wins over the config file where both have a value, as in the AWS tools.
func (p *profile) read(wanted bool) error {
	values := map[string]string{}
	found := false
	var names []string
	for i := len(p.files) - 1; i >= 0; i-- {
		sections, err := readSections(p.files[i])
		if err != nil {
			return err
		}
		for heading, section := range sections {
			name, isProfile := profileName(heading, i == 1)
			if !isProfile {
				continue
			}
			names = append(names, name)
			if name == p.name {
				maps.Copy(values, section)
				found = true
			}
		}
	}
	if wanted && !found {
		slices.Sort(names)
		return fmt.Errorf("there is no profile %q in %s; there are: %s", clip(p.name), strings.Join(p.paths(), " and "),
			cmp.Or(strings.Join(slices.Compact(names), ", "), "none"))
	}
	p.values = values
	return nil
}

func (p *profile) paths() []string {
	return slices.DeleteFunc(slices.Clone(p.files[:]), func(path string) bool { return path == "" })
}

// profileName returns the profile that a heading begins. In the config file all but the default have a word before them.
func profileName(heading string, config bool) (name string, ok bool) {
	if !config || heading == defaultProfile {
		return heading, true
	}
	name, ok = strings.CutPrefix(heading, "profile ")
	return strings.TrimSpace(name), ok
}

func readSections(path string) (map[string]map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the AWS profiles: %w", err)
	}
	sections, err := parseSections(string(data))
	if err != nil {
		return nil, fmt.Errorf("read the AWS profiles: %s:%w", path, err)
	}
	return sections, nil
}

// parseSections reads sections of "name = value" lines. An indented line belongs to the value above it; none that is read
// here has such lines. Errors begin with the number of the line and do not show its text, which may be a secret.
func parseSections(text string) (map[string]map[string]string, error) {
	sections := map[string]map[string]string{}
	var current map[string]string
	for i, raw := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line := strings.TrimSpace(raw)
		nested := raw != "" && (raw[0] == ' ' || raw[0] == '\t')
		switch {
		case line == "" || line[0] == '#' || line[0] == ';' || nested && current != nil:
		case line[0] == '[':
			name, _, ok := strings.Cut(line[1:], "]")
			name = strings.TrimSpace(name)
			if !ok || name == "" {
				return nil, fmt.Errorf("%d: a profile begins with its name in brackets: [NAME]", i+1)
			}
			if sections[name] == nil {
				sections[name] = map[string]string{}
			}
			current = sections[name]
		default:
			name, value, ok := strings.Cut(line, "=")
			if !ok {
				return nil, fmt.Errorf("%d: the line is not of the form name = value", i+1)
			}
			if current == nil {
				return nil, fmt.Errorf("%d: the line stands before the first profile; begin the file with [default]", i+1)
			}
			value, _, _ = strings.Cut(value, " #")
			current[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	return sections, nil
}

// credentials are what the profile says of who we are. ok is false if it says nothing of that.
func (p *profile) credentials() (k keys, ok bool, err error) {
	k = keys{access: p.values["aws_access_key_id"], secret: p.values["aws_secret_access_key"], token: p.values["aws_session_token"]}
	if k.access != "" && k.secret != "" {
		return k, true, nil
	}
	if k.access != "" || k.secret != "" {
		return k, false, fmt.Errorf("profile %s: aws_access_key_id and aws_secret_access_key go together, and one is missing", p.name)
	}
	for name := range p.values {
		if strings.HasPrefix(name, "sso_") || name == "credential_process" || name == "role_arn" || name == "web_identity_token_file" || name == "login_session" {
			return k, false, fmt.Errorf("profile %s: %s is not supported; run `eval \"$(aws configure export-credentials --profile %s --format env)\"` before, which puts its keys into the environment",
				p.name, name, p.name)
		}
	}
	return k, false, nil
}
