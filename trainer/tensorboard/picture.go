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

// Samples holds the images of the samples whose scores are in reports.
type Samples struct {
	IDs      []string // [n]
	Images   []uint8  // [n,Size,Size,len(Channels)]
	Size     int
	Channels []string
}

const (
	across = 3 // channels in a row of a picture
	gap    = 2 // pixels between channels
	// largest is the largest width of a picture in pixels, without gaps. A larger picture is scaled down, so that a
	// large run does not fill the store with pictures.
	largest = 768
)

// draw returns the strings that the images plug-in stores: width and height as text, and then a PNG for each sample.
// It returns nil if of is empty. All samples have the same size.
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
			all = append(all, []byte(strconv.Itoa(size.X)), []byte(strconv.Itoa(size.Y)))
		}
		var b bytes.Buffer
		if err := png.Encode(&b, picture); err != nil {
			return nil, fmt.Errorf("draw sample %s: %w", wanted.ID, err)
		}
		all = append(all, b.Bytes())
	}
	return all, nil
}

// picture returns a sample's channels side by side, each in shades of grey.
func (s Samples) picture(sample int) *image.Gray {
	c := len(s.Channels)
	columns := min(c, across)
	rows := (c + columns - 1) / columns
	shrink := (columns*s.Size + largest - 1) / largest // shrink x shrink pixels become one
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
