package report

// Attention is the Model.HeatMap of a network that judges a slide as a whole: how
// much it looked at each place, relative to where it looked most, times the slide's
// score. Such a heat map says where the score comes from; it is no probability.
const Attention = "attention"

// heat is how files and page call what the heat map shows.
type heat struct {
	Name    string // on page and picture
	Column  string // in patches.csv
	Peak    string // what is highest at a lesion's peak
	Caption string // what a reader must know before the rest; may be empty
	Limit   string // what the slide's score is
}

func heatOf(m Model) heat {
	if m.HeatMap == Attention {
		return heat{
			Name:   "attention × slide score",
			Column: "attention",
			Peak:   "attention",
			Caption: "The colour is attention, not probability: how much the network looked at a place, against looking everywhere alike (half of the colour's range), times the slide score. " +
				"A pale place counted little for the score; that does not say that it is healthy. An outlined region is where the network looked, not a measured tumour. ",
			Limit: "The score is of the slide as a whole: the network weighs all patches by its attention and judges their sum. A slide can be called BCC without an outlined region.",
		}
	}
	return heat{
		Name:   "probability of BCC",
		Column: "prob_bcc",
		Peak:   "probability",
		Limit: "The score is the highest level at which a lesion of the smallest area is found. " +
			"A slide without a lesion may still hold a carcinoma that is smaller, paler or of a kind the model has not seen.",
	}
}
