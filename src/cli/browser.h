/* cli/browser.h - show a file to the user in a browser, where there is one to show it in. */
#ifndef PYRO_CLI_BROWSER_H
#define PYRO_CLI_BROWSER_H

/* Is there a screen in front of the user? Not over SSH, not without a display, not for root by way of sudo. */
enum pyro_screen { PYRO_SCREEN_HERE, PYRO_SCREEN_SSH, PYRO_SCREEN_NONE };
enum pyro_screen pyro_browser_screen(void);

/* Start $BROWSER, or xdg-open, on PATH and leave it alone: never waits for it. -ENOENT: there is neither. */
int pyro_browser_open(const char *path);

#endif
