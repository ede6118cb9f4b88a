"""What both parts share: options of epipam as a configuration has them."""

import shlex


def options(given):
    """Return `{max-distance: 5, gene-type: [a, b], flag: true}` as a command line has it."""
    words = []
    for name, value in given.items():
        option = "--" + name.replace("_", "-")
        for one in value if isinstance(value, list) else [value]:
            if one is True:
                words.append(option)
            elif one is not False:
                words += [option, str(one)]
    return shlex.join(words)
