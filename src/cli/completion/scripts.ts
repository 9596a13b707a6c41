/** The scripts that hook the shells up to `gantry __complete`. */

const BASH = `# bash completion for gantry
_gantry() {
    local cur words=() line files= open=
    # Words as typed: bash splits at ":" and "=", which names and values hold.
    local typed="\${COMP_LINE:0:COMP_POINT}"
    read -ra words <<< "$typed"
    [[ $typed == *[[:space:]] ]] && words+=("")
    cur="\${words[\${#words[@]}-1]}"
    local list=()
    while IFS= read -r line; do
        case $line in
            :files) files=1 ;;
            :open) open=1 ;;
            *) list+=("\${line%%$'\\t'*}") ;;
        esac
    done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null)
    # What bash already took as separate words is not repeated.
    local prefix="\${cur%"\${COMP_WORDS[COMP_CWORD]}"}"
    [[ \${COMP_WORDS[COMP_CWORD]} == [:=] ]] && prefix="$cur"
    COMPREPLY=()
    for line in "\${list[@]}"; do COMPREPLY+=("\${line#"$prefix"}"); done
    [[ -z $open ]] || compopt -o nospace 2>/dev/null
    [[ -n $files ]] || return
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -F _gantry gantry
`;

const ZSH = `#compdef gantry
# zsh completion for gantry
_gantry() {
    local -a list
    local line files open value about
    while IFS= read -r line; do
        case $line in
            :files) files=1; continue ;;
            :open) open=1; continue ;;
        esac
        value="\${line%%$'\\t'*}"
        about="\${line#"$value"}"
        about="\${about#$'\\t'}"
        list+=("\${value//:/\\\\:}\${about:+:$about}")
    done < <("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( \${#list} )); then
        if [[ -n $open ]]; then _describe -t candidates gantry list -S ''; else _describe -t candidates gantry list; fi
    fi
    [[ -z $files ]] || _files
}
if [[ "\${funcstack[1]}" == _gantry ]]; then
    _gantry "$@"
else
    compdef _gantry gantry
fi
`;

const FISH = `# fish completion for gantry
function __gantry_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines ($words[1] __complete -- $words[2..-1] 2>/dev/null)
    for line in $lines
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else if test "$line" != ":open"
            # What ends in "=", ":" or "," fish leaves open by itself.
            echo $line
        end
    end
end
complete -c gantry -f -a '(__gantry_complete)'
`;

export const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
