package tensorboard

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plumbline.dev/plumbline/wire"
)

func TestTheWorstMistakesComeFirst(t *testing.T) {
	missed, alarms := mistakes([]wire.SampleScore{
		{ID: "found", Label: 1, Logit: 2},
		{ID: "at the threshold", Label: 1, Logit: 0.5},
		{ID: "just missed", Label: 1, Logit: 0.25},
		{ID: "far off", Label: 1, Logit: -4},
		{ID: "passed", Label: 0, Logit: -1},
		{ID: "b", Label: 0, Logit: 1},
		{ID: "a", Label: 0, Logit: 1},
		{ID: "worst", Label: 0, Logit: 3},
	}, 0.5)
	if diff := cmp.Diff([]string{"far off", "just missed"}, ids(missed)); diff != "" {
		t.Errorf("missed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"worst", "a", "b"}, ids(alarms)); diff != "" {
		t.Errorf("false alarms (-want +got):\n%s", diff)
	}
}

func ids(of []wire.SampleScore) (all []string) {
	for _, s := range of {
		all = append(all, s.ID)
	}
	return all
}

// The samples have four channels of 2x2 pixels. Each pixel of channel c of the second sample is 10c.
func TestChannelsLieSideBySide(t *testing.T) {
	s := Samples{
		IDs: []string{"e1", "e2"}, Size: 2, Channels: []string{"AM", "GRAY", "G", "R"}, Images: make([]uint8, 16, 32),
	}
	for range 4 {
		s.Images = append(s.Images, 0, 10, 20, 30)
	}
	drawn, err := s.draw([]wire.SampleScore{{ID: "e2"}})
	if err != nil {
		t.Fatal(err)
	}
	if size := string(drawn[0]) + "x" + string(drawn[1]); size != "10x6" {
		t.Errorf("size %s, want 10x6: three channels and two gaps, two channels and a gap", size)
	}
	picture, err := png.Decode(bytes.NewReader(drawn[2]))
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[image.Point]uint8{
		{0, 0}: 0, {4, 0}: 10, {5, 1}: 10, {8, 0}: 20, {0, 4}: 30, {1, 5}: 30, {2, 0}: 0, {4, 4}: 0,
	} {
		if got := picture.At(at.X, at.Y).(color.Gray).Y; got != want {
			t.Errorf("the pixel at %v is %d, want %d", at, got, want)
		}
	}
}

func TestALargePictureIsScaledDown(t *testing.T) {
	s := Samples{IDs: []string{"e1"}, Size: 1024, Channels: []string{"GRAY"}, Images: make([]uint8, 1024*1024)}
	copy(s.Images, []uint8{100, 200})
	copy(s.Images[1024:], []uint8{0, 100})
	picture := s.picture(0)
	if side := picture.Bounds().Dx(); side != 512 {
		t.Errorf("the picture is %d pixels wide, want 512", side)
	}
	if got := picture.GrayAt(0, 0).Y; got != 100 {
		t.Errorf("the first pixel is %d, want the mean of four, 100", got)
	}
}

func TestAPictureOfAnUnknownSampleIsRefused(t *testing.T) {
	_, err := (Samples{IDs: []string{"e1"}}).draw([]wire.SampleScore{{ID: "e7"}})
	if err == nil || !strings.Contains(err.Error(), "e7") {
		t.Errorf("error %v does not name the sample", err)
	}
}
