#include "client/cli/utf8.h"

// The well-formed byte sequences of the Unicode standard, table 3-7: the first byte decides how many follow and how the second is bounded.

size_t utf8_length(const char *bytes, size_t length)
{
	static const struct {
		unsigned char first_least, first_most, second_least, second_most;
		unsigned char length;
	} forms[] = {
	        {0x00, 0x7f, 0x00, 0x00, 1},
	        {0xc2, 0xdf, 0x80, 0xbf, 2},
	        {0xe0, 0xe0, 0xa0, 0xbf, 3},
	        {0xe1, 0xec, 0x80, 0xbf, 3},
	        {0xed, 0xed, 0x80, 0x9f, 3},
	        {0xee, 0xef, 0x80, 0xbf, 3},
	        {0xf0, 0xf0, 0x90, 0xbf, 4},
	        {0xf1, 0xf3, 0x80, 0xbf, 4},
	        {0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	const unsigned char *at = (const unsigned char *)bytes;

	for (size_t i = 0; length > 0 && i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (at[0] < forms[i].first_least || at[0] > forms[i].first_most)
			continue;
		if (length < forms[i].length)
			return 0;
		for (size_t k = 1; k < forms[i].length; k++) {
			unsigned char least = k == 1 ? forms[i].second_least : 0x80;
			unsigned char most = k == 1 ? forms[i].second_most : 0xbf;

			if (at[k] < least || at[k] > most)
				return 0;
		}
		return forms[i].length;
	}
	return 0;
}

bool utf8_is_valid(const char *bytes, size_t length)
{
	while (length > 0) {
		size_t step = utf8_length(bytes, length);

		if (step == 0)
			return false;
		bytes += step;
		length -= step;
	}
	return true;
}
