package s3

import (
	"reflect"
	"strings"
	"testing"
)

// TestSettingsHaveEveryField sets each field of a Config and finds it again on the other side. Only secrets are among the
// secrets.
func TestSettingsHaveEveryField(t *testing.T) {
	var full Config
	n := 0
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		for _, f := range v.Fields() {
			n++
			switch f.Kind() {
			case reflect.Struct:
				fill(f)
			case reflect.Bool:
				f.SetBool(true)
			case reflect.Int:
				f.SetInt(int64(n))
			case reflect.String:
				f.SetString(strings.Repeat("v", n))
			case reflect.Map:
				f.Set(reflect.ValueOf(map[string]string{"owner": "platform", "a.b": "", "": "x"}))
			default:
				t.Fatalf("a field of kind %s", f.Kind())
			}
		}
	}
	fill(reflect.ValueOf(&full).Elem())
	settings, secrets := full.Settings()
	if len(secrets) != 4 || secrets["access_key"] != full.AccessKey || secrets["secret_key"] != full.SecretKey ||
		secrets["session_token"] != full.SessionToken || secrets["encryption_key"] != full.SSEKey {
		t.Errorf("the secrets are %q", secrets)
	}
	back, err := FromSettings(settings, secrets)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, full) {
		t.Errorf("got  %#v %#v\nwant %#v %#v", back, back.Tags, full, full.Tags)
	}
	if settings, secrets := (Config{}).Settings(); len(settings)+len(secrets) != 0 {
		t.Errorf("nothing is set, and yet %v %v", settings, secrets)
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for _, c := range []struct {
		settings, secrets map[string]string
		want              string
	}{
		{map[string]string{"regoin": "eu"}, nil, `there is no setting "regoin"`},
		{nil, map[string]string{"password": "canary"}, `there is no secret "password"`},
		{map[string]string{"secret_key": "canary"}, nil, `there is no setting "secret_key"`},
		{map[string]string{"anonymous": "perhaps"}, nil, `anonymous: "perhaps" is neither true nor false`},
		{map[string]string{"connections": "many"}, nil, `connections: "many" is no number`},
	} {
		_, err := FromSettings(c.settings, c.secrets)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v: %v, want %q", c.settings, err, c.want)
		}
	}
	for value, want := range map[string]string{"true": "path", "false": "host", "auto": "auto"} {
		if c, err := FromSettings(map[string]string{"path_style": value}, nil); err != nil || c.PathStyle != want {
			t.Errorf("path_style %s: %q, %v", value, c.PathStyle, err)
		}
	}
}
