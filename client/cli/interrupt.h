// Ctrl-C in the middle of something: noted once, so that what is under way can end in order; the second one kills.
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdbool.h>

// From here SIGINT and SIGTERM are noted. May be nested. For the main thread.
void interrupt_catch(void);

// To the end of the catching. Behind the outermost one, signals do what they did before.
void interrupt_release(void);

// Forgets one that came: the next is noted again. Between catch and release.
void interrupt_rearm(void);

// Whether one came since the outermost interrupt_catch, or the last interrupt_rearm. For any thread.
bool interrupt_is_noted(void);

#endif
