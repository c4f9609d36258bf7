package tensorboard

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strconv"

	"plumbline.dev/plumbline/wire"
)

// Samples are the images that reports name.
type Samples struct {
	IDs      []string // [n]
	Images   []uint8  // [n,Size,Size,len(Channels)]
	Size     int
	Channels []string
}

const (
	across  = 3   // channels in a row of a picture
	gap     = 2   // pixels between channels
	largest = 768 // pixels a picture is wide, gaps apart: more is scaled down, or a large run would fill the store with pictures
)

// draw returns what the images plug-in stores: width and height, as text, then a PNG for each sample; nil without samples.
func (s Samples) draw(of []wire.SampleScore) ([][]byte, error) {
	if len(of) == 0 {
		return nil, nil
	}
	var all [][]byte
	for _, wanted := range of {
		i := slices.Index(s.IDs, wanted.ID)
		if i < 0 {
			return nil, fmt.Errorf("sample %s is not in the data set", wanted.ID)
		}
		picture := s.picture(i)
		if all == nil {
			size := picture.Bounds().Size()
			all = append(all, strconv.AppendInt(nil, int64(size.X), 10), strconv.AppendInt(nil, int64(size.Y), 10))
		}
		var b bytes.Buffer
		if err := png.Encode(&b, picture); err != nil {
			return nil, fmt.Errorf("draw sample %s: %w", wanted.ID, err)
		}
		all = append(all, b.Bytes())
	}
	return all, nil
}

// picture lays a sample's channels side by side, each in shades of grey.
func (s Samples) picture(sample int) *image.Gray {
	c := len(s.Channels)
	columns := min(c, across)
	rows := (c + columns - 1) / columns
	shrink := (columns*s.Size + largest - 1) / largest // this many pixels squared become one
	side := s.Size / shrink
	picture := image.NewGray(image.Rect(0, 0, columns*(side+gap)-gap, rows*(side+gap)-gap))
	pixels := s.Images[sample*s.Size*s.Size*c:]
	for channel := range c {
		left, top := channel%columns*(side+gap), channel/columns*(side+gap)
		for y := range side {
			for x := range side {
				sum := 0
				for dy := range shrink {
					for dx := range shrink {
						sum += int(pixels[((y*shrink+dy)*s.Size+x*shrink+dx)*c+channel])
					}
				}
				picture.SetGray(left+x, top+y, color.Gray{Y: uint8(sum / (shrink * shrink))})
			}
		}
	}
	return picture
}
