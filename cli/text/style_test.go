package text

import "testing"

func TestDetectStyle(t *testing.T) {
	tests := map[string]struct {
		env    map[string]string
		colour bool
		ascii  bool
	}{
		"nothing said":            {nil, true, false},
		"NO_COLOR":                {map[string]string{"NO_COLOR": "1"}, false, false},
		"a dumb terminal":         {map[string]string{"TERM": "dumb"}, false, false},
		"a UTF-8 locale":          {map[string]string{"LANG": "de_DE.UTF-8"}, true, false},
		"a locale of another set": {map[string]string{"LANG": "C"}, true, true},
		"LC_ALL goes before LANG": {map[string]string{"LC_ALL": "C.utf8", "LANG": "C"}, true, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := DetectStyle(func(k string) string { return tt.env[k] })
			if s.Colour != tt.colour || (s.Best == ASCII.Best) != tt.ascii {
				t.Errorf("colour %v, ascii %v", s.Colour, s.Best == ASCII.Best)
			}
		})
	}
}
