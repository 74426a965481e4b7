package manifests

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

var (
	// ids become parts of addresses, file names and URLs.
	idRegexp       = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	schemeRegexp   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	varRegexp      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	envRegexp      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	tagRegexp      = regexp.MustCompile(`^[^\s$]+$`)
	anythingRegexp = regexp.MustCompile("")
	// pluginRegexp is a name, or the absolute path of a file on some system.
	pluginRegexp = regexp.MustCompile(`^([a-z][a-z0-9-]*|/.+|[A-Za-z]:[\\/].+)$`)
)

// A keyRule says which keys a mapping may have.
type keyRule struct {
	what   string
	regexp *regexp.Regexp
	hint   string
}

// A parser turns the text of a scalar into a T. Its error says what is wrong with the text; hint is optional.
type parser[T any] func(b *binder, s string) (t T, hint string, err error)

// scalar is a single value of the given YAML type, or one put together with variables.
func scalar[T any](want, tag string, s *schema, parse parser[T]) form[T] {
	if s.Type != "string" || s.Pattern != "" || s.Enum != nil {
		s = &schema{AnyOf: []*schema{s, {Type: "string", Pattern: `\$\{`}}}
	}
	return form[T]{schema: s, bind: func(b *binder, v value, to *T) {
		text, ok := b.text(v, want, tag, nil)
		if !ok {
			return
		}
		literal := ""
		for _, p := range text.parts {
			literal += p.text
		}
		t, hint, err := parse(b, literal)
		if err != nil {
			b.failAt(v.node, hint, "%s: %v", v.name, err)
			return
		}
		*to = t
	}}
}

// text reads a scalar and resolves its variables. Variables in scope stay for Expand.
func (b *binder) text(v value, want, tag string, late scope) (Text, bool) {
	n := follow(v.node)
	variable := strings.Contains(n.Value, "${")
	if n.Kind != yaml.ScalarNode || !variable && !isTag(n, tag) {
		b.wrongType(v, want)
		return Text{}, false
	}
	t, ok := b.resolve(v, late)
	if ok && len(t.parts) == 0 {
		b.failAt(v.mark(), "give it a value or remove it", "%s is empty", v.name)
		return t, false
	}
	return t, ok
}

func isTag(n *yaml.Node, want string) bool {
	tag := n.ShortTag()
	return tag == want || want == "!!str" && tag == "!!timestamp"
}

// str is text without late variables.
func str() form[string] { return matching(anythingRegexp, "", "") }

// matching is text of a pattern; message completes "NAME: ".
func matching(re *regexp.Regexp, message, hint string) form[string] {
	s := &schema{Type: "string", MinLength: 1, Pattern: re.String()}
	return scalar("text", "!!str", s, func(_ *binder, s string) (string, string, error) {
		if !re.MatchString(s) {
			return "", hint, fmt.Errorf(message, s)
		}
		return s, "", nil
	})
}

// late is text that may have the late variables in scope.
func late(allowed scope) form[Text] {
	s := &schema{Type: "string", MinLength: 1}
	return form[Text]{schema: s, bind: func(b *binder, v value, to *Text) {
		*to, _ = b.text(v, "text", "!!str", allowed)
	}}
}

// free is a scalar of any type, taken as text.
func free(allowed scope) form[Text] {
	s := &schema{Type: []string{"string", "number", "boolean"}}
	return form[Text]{schema: s, bind: func(b *binder, v value, to *Text) {
		n := follow(v.node)
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
			b.wrongType(v, "text")
			return
		}
		*to, _ = b.resolve(v, allowed)
	}}
}

// plainText is free without late variables.
func plainText() form[string] {
	f := free(nil)
	return form[string]{schema: f.schema, bind: func(b *binder, v value, to *string) {
		var t Text
		f.bind(b, v, &t)
		*to, _ = Expand(t, nil)
	}}
}

// enum is one of a few words.
func enum(words ...string) form[string] {
	s := &schema{Enum: words}
	return scalar("one of "+strings.Join(words, ", "), "!!str", s, func(b *binder, s string) (string, string, error) {
		if !slices.Contains(words, s) {
			return "", b.near(s, words), fmt.Errorf("%q is none of %s", s, strings.Join(words, ", "))
		}
		return s, "", nil
	})
}

// integer is a whole number not below least.
func integer(least int) form[int] {
	most := math.MaxInt32
	s := &schema{Type: "integer", Minimum: &least, Maximum: &most}
	return scalar("a whole number", "!!int", s, func(_ *binder, s string) (int, string, error) {
		n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 0, 32)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return 0, "", fmt.Errorf("%s is out of range", s)
		case err != nil:
			return 0, "", fmt.Errorf("%q is not a whole number", s)
		case int(n) < least:
			return 0, "", fmt.Errorf("%d is less than %d", n, least)
		}
		return int(n), "", nil
	})
}

func boolean() form[bool] {
	return scalar("true or false", "!!bool", &schema{Type: "boolean"}, func(_ *binder, s string) (bool, string, error) {
		switch strings.ToLower(s) {
		case "true":
			return true, "", nil
		case "false":
			return false, "", nil
		}
		return false, "", fmt.Errorf("%q is neither true nor false", s)
	})
}

func bytesSize() form[int64] {
	return measure("a size such as 256MiB", bytesPattern, ParseBytes)
}

func rate() form[int64] {
	return measure("a rate such as 40MiB/s", ratePattern, ParseRate)
}

func duration() form[time.Duration] {
	return measure("a duration such as 30s, 12h or 2d", durationPattern, ParseDuration)
}

func measure[T any](want, pattern string, parse func(string) (T, error)) form[T] {
	s := &schema{Type: "string", Pattern: pattern}
	return scalar(want, "!!str", s, func(_ *binder, s string) (T, string, error) {
		t, err := parse(s)
		return t, "", err
	})
}
