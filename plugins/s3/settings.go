package s3

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// tagPrefix is what the settings of tags begin with: "tags.owner".
const tagPrefix = "tags."

// setting is a field of Config under the name that it has in a manifest. Exactly one of text, flag and number is there.
type setting struct {
	name   string
	secret bool
	text   *string
	flag   *bool
	number *int
}

// settings has all fields of c but the tags.
func (c *Config) settings() []setting {
	return []setting{
		{name: "scheme", text: &c.Scheme},
		{name: "region", text: &c.Region},
		{name: "endpoint", text: &c.Endpoint},
		{name: "path_style", text: &c.PathStyle},
		{name: "ca_file", text: &c.CAFile},
		{name: "access_key", secret: true, text: &c.AccessKey},
		{name: "secret_key", secret: true, text: &c.SecretKey},
		{name: "session_token", secret: true, text: &c.SessionToken},
		{name: "profile", text: &c.Profile},
		{name: "credentials_file", text: &c.CredentialsFile},
		{name: "config_file", text: &c.ConfigFile},
		{name: "anonymous", flag: &c.Anonymous},
		{name: "no_instance_role", flag: &c.NoInstanceRole},
		{name: "storage_class", text: &c.StorageClass},
		{name: "encryption", text: &c.SSE},
		{name: "kms_key", text: &c.SSEKMSKey},
		{name: "encryption_key", secret: true, text: &c.SSEKey},
		{name: "connections", number: &c.Connections},
		{name: "checksums", text: &c.Checksums},
		{name: "conditions", text: &c.Conditions},
		{name: "keys", text: &c.Keys},
	}
}

// Settings gives c as names and values, for a plugin that runs in another process. What is not set is left out.
func (c Config) Settings() (settings, secrets map[string]string) {
	settings, secrets = map[string]string{}, map[string]string{}
	for _, s := range c.settings() {
		into := settings
		if s.secret {
			into = secrets
		}
		switch {
		case s.text != nil && *s.text != "":
			into[s.name] = *s.text
		case s.flag != nil && *s.flag:
			into[s.name] = "true"
		case s.number != nil && *s.number != 0:
			into[s.name] = strconv.Itoa(*s.number)
		}
	}
	for name, value := range c.Tags {
		settings[tagPrefix+name] = value
	}
	return settings, secrets
}

// FromSettings is the reverse of Settings. It also takes path_style as a manifest has it, "true" or "false", and refuses
// names that it does not know; what the values mean New judges.
func FromSettings(settings, secrets map[string]string) (Config, error) {
	var c Config
	rest, hidden := maps.Clone(settings), maps.Clone(secrets)
	for _, s := range c.settings() {
		from := rest
		if s.secret {
			from = hidden
		}
		value, ok := from[s.name]
		delete(from, s.name)
		if !ok {
			continue
		}
		if err := s.set(value); err != nil {
			return c, configError(fmt.Errorf("%s: %w", s.name, err))
		}
	}
	switch c.PathStyle {
	case "true":
		c.PathStyle = "path"
	case "false":
		c.PathStyle = "host"
	}
	for name, value := range rest {
		if tag, ok := strings.CutPrefix(name, tagPrefix); ok {
			if c.Tags == nil {
				c.Tags = map[string]string{}
			}
			c.Tags[tag] = value
			delete(rest, name)
		}
	}
	if unknown := slices.Sorted(maps.Keys(rest)); len(unknown) > 0 {
		return c, configError(fmt.Errorf("there is no setting %q", unknown[0]))
	}
	if unknown := slices.Sorted(maps.Keys(hidden)); len(unknown) > 0 {
		return c, configError(fmt.Errorf("there is no secret %q", unknown[0]))
	}
	return c, nil
}

func (s setting) set(value string) (err error) {
	switch {
	case s.text != nil:
		*s.text = value
	case s.flag != nil:
		if *s.flag, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("%q is neither true nor false", clip(value))
		}
	default:
		if *s.number, err = strconv.Atoi(value); err != nil || *s.number < 0 {
			return fmt.Errorf("%q is no number", clip(value))
		}
	}
	return nil
}
